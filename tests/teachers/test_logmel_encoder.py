"""Log-mel as an encoder."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import ConfigError
from audiossl.features.logmel import LogMel
from audiossl.models.encoder import Encoder
from audiossl.teachers.logmel import LogMelEncoder


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_is_every_nth_frame_of_the_features(stride):
    encoder = LogMelEncoder(40, stride)
    signal, lengths = torch.randn(4, 1, 3200), torch.tensor([3200, 1600, 1599, encoder.min_samples])
    frames = encoder(signal, lengths)
    features, num_frames = LogMel(40)(signal[:, 0], lengths)
    assert frames.last is frames.layers[0] and frames.last.shape[2] == encoder.dim == 40
    for i, count in enumerate(num_frames.tolist()):
        expected = features[i, :count][::stride]
        assert int(frames.lengths[i]) == int(frames.last_lengths[i]) == len(expected) > 0
        assert torch.equal(frames.layers[0][i, : len(expected)], expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_meets_the_contract(stride):
    encoder = LogMelEncoder(stride=stride)
    assert isinstance(encoder, Encoder)
    assert encoder.frame_rate == encoder.last_frame_rate == 100 / stride
    assert encoder.alignment == 160 * stride == encoder.sample_rate / encoder.frame_rate
    assert not list(encoder.parameters())


def test_frame_offset_is_the_centre_of_frame_0():
    encoder = LogMelEncoder()
    click = torch.zeros(1, 1, 1600)
    click[0, 0, round((7 / encoder.frame_rate + encoder.frame_offset) * 16000)] = 1
    energy = encoder(click, torch.tensor([1600])).last[0].sum(-1)
    assert int(energy.argmax()) == 7


def test_windows_start_on_the_grid():
    encoder = LogMelEncoder(stride=2)
    signal = torch.randn(1, 1, 8000)
    whole = encoder(signal, torch.tensor([8000])).last[0]
    later = encoder(signal[..., 10 * encoder.alignment :], torch.tensor([8000 - 10 * encoder.alignment])).last[0]
    assert torch.allclose(whole[11:], later[1:], atol=1e-4)  # the first frame sees the mirrored edge


@pytest.mark.parametrize(("stride", "stack"), [(4, 8), (4, 4), (2, 5), (1, 3)])
def test_stacked_frames_hold_their_neighbours(stride, stack):
    encoder = LogMelEncoder(8, stride, stack)
    lengths = torch.tensor([3200, 1500])
    signal = torch.randn(2, 1, 3200)
    frames, (features, counts) = encoder(signal, lengths), LogMel(8)(signal[:, 0], lengths)
    for i, count in enumerate(counts.tolist()):
        for t in range(int(frames.lengths[i])):
            centre = (t / encoder.frame_rate + encoder.frame_offset) * 100  # in feature frames
            places = [min(max(round(centre - stack / 2) + j, 0), count - 1) for j in range(stack)]
            assert torch.equal(frames.last[i, t], torch.cat([features[i, place] for place in places]))
    assert encoder.dim == 8 * stack and encoder.frame_rate == 100 / stride
    with pytest.raises(ConfigError, match="1 or more"):
        LogMelEncoder(8, stride, 0)
