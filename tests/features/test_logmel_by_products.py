from __future__ import annotations

import pytest
import torch

from audiossl.features.logmel import LogMel
from audiossl.features.logmel_by_products import LogMelByProducts


@pytest.mark.parametrize("sizes", [[16000, 8001, 1360], [201], [16079, 16080], [4239, 4240, 4241]])
def test_features_of_a_padded_batch_are_those_of_the_fft(sizes):
    log_mel = LogMel(80)
    signal = 0.1 * torch.randn(len(sizes), max(sizes))
    lengths = torch.tensor(sizes)
    ours, counts = LogMelByProducts(log_mel)(signal, lengths)
    theirs, expected = log_mel(signal, lengths)
    assert counts.equal(expected)
    torch.testing.assert_close(ours, theirs, atol=3e-4, rtol=0)  # in bins of little power both round


@pytest.mark.parametrize("tone", [False, True])
def test_it_is_as_near_to_exact_values_as_the_fft(tone):
    signal = torch.randn(1, 16000) if not tone else (torch.arange(16000) * (2 * torch.pi / 16)).sin()[None]
    log_mel, lengths = LogMel(80), torch.tensor([16000])
    frames = LogMel._mirrored(0.1 * signal.double(), lengths, 100).unfold(1, 400, 160)
    frames = frames - frames.mean(-1, keepdim=True)
    previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    spectrum = torch.fft.rfft((frames - 0.97 * previous) * log_mel.window.double(), n=512)[..., :256]
    power = spectrum.abs().square()
    bins = power @ log_mel.mel.double()
    counted = bins / power.sum(-1, keepdim=True) > 1e-7
    found = LogMelByProducts(log_mel)(0.1 * signal, lengths)[0]
    assert (found - bins.log())[counted].abs().max() < 2e-4


def test_what_lies_beyond_a_clip_changes_nothing():
    features = LogMelByProducts(LogMel(40))
    signal = 0.1 * torch.randn(1, 3000)
    alone, counts = features(signal[:, :2000], torch.tensor([2000]))
    padded, _ = features(signal, torch.tensor([2000]))
    torch.testing.assert_close(padded[:, : int(counts[0])], alone, atol=1e-6, rtol=0)
