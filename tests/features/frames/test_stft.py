"""The tight short-time Fourier frame."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.features.frames import STFT, frame_bounds


@pytest.mark.parametrize(("size", "hop", "length"), [(16, 4, 1), (16, 4, 50), (16, 5, 33), (15, 7, 40), (8, 7, 21), (8, 1, 9)])
def test_frame_bounds_are_one(size, hop, length):
    assert frame_bounds(STFT(size, hop), length) == pytest.approx((1, 1), abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(size=st.integers(2, 33), parts=st.integers(1, 32), length=st.integers(1, 90))
def test_reconstruction_is_exact_for_any_length(size, parts, length):
    frame = STFT(size, max(1, min(parts, size - 1)), output="complex")
    signal = torch.randn(2, 2, length, dtype=torch.float64)
    assert torch.allclose(frame.inverse(frame(signal), length), signal, atol=1e-12)


def test_frames_are_their_definition():
    signal = torch.randn(1, 1, 21, dtype=torch.float64)
    frames = STFT(12, 3, output="complex")(signal)[0, 0]
    assert frames.shape == (7, 10)
    hann = 0.5 - 0.5 * torch.cos(2 * math.pi * torch.arange(12) / 12)
    # Four Hann windows squared add up to 1.5; with the bins' mirror images counted by sqrt(2) the frame is tight.
    window = hann.double() / math.sqrt(1.5 * 12)
    for t in range(10):
        for k in range(7):
            slow = sum(
                signal[0, 0, n] * window[n - begin] * torch.exp(torch.tensor(-2j * math.pi * k * (n - begin) / 12))
                for begin in [(t + 1) * 3 - 12]
                for n in range(max(begin, 0), min(begin + 12, 21))
            )
            assert torch.allclose(frames[k, t], slow * (math.sqrt(2) if 0 < k < 6 else 1), atol=1e-6)


@settings(deadline=None, max_examples=15)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_a_padded_batch_gives_what_each_signal_gives_alone(lengths):
    signal = torch.randn(len(lengths), 2, max(lengths))
    frame = STFT(16, 4, output="log_magnitude")
    batch, counts = frame(signal, torch.tensor(lengths)), frame.num_frames(torch.tensor(lengths))
    for i, length in enumerate(lengths):
        alone = frame(signal[i : i + 1, :, :length])[0]
        assert alone.shape[-1] == counts[i]
        assert torch.allclose(batch[i, ..., : counts[i]], alone, atol=1e-6)
        assert (batch[i, ..., counts[i] :] == 0).all()


@pytest.mark.parametrize("output", ["magnitude", "log_magnitude", "complex"])
def test_gradients(output):
    signal = torch.randn(1, 2, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(STFT(6, 2, output=output), signal)


@pytest.mark.parametrize("options", [{"hop": 64}, {"hop": 0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ConfigError, match="expected"):
        STFT(64, **{"hop": 16, **options})
