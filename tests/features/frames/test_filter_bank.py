"""The filter bank against circular convolution, term by term."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.features.frames.filter_bank import FilterBank, fast_size


@settings(deadline=None, max_examples=25)
@given(size=st.integers(1, 40), short=st.integers(0, 10), hop=st.integers(1, 7))
def test_outputs_are_circular_convolutions_at_every_hopth_sample(size, short, hop):
    length = max(size - short, 1)
    responses = torch.randn(3, size, dtype=torch.float64)
    responses[1, : size // 2] = 0  # a band
    signal = torch.randn(2, 2, length, dtype=torch.float64)
    outputs = FilterBank(responses, length, size, hop, signal)(signal)
    taps = torch.fft.ifft(responses)
    for a in range(3):
        for t, b in enumerate(range(0, length, hop)):
            slow = sum(signal[..., n] * taps[a, (b - n) % size] for n in range(length))
            assert torch.allclose(outputs[..., a, t], slow, atol=1e-12)


def test_coarse_bands_are_folded_into_short_inverse_ffts():
    response = torch.zeros(1, 64, dtype=torch.float64)
    response[0, 20:30] = 1
    bank = FilterBank(response, 64, 64, 8, torch.empty(0))
    assert [(band.start, band.responses.shape) for band in bank.bands] == [(16, (1, 16))]


@pytest.mark.parametrize(
    ("at_least", "multiple", "size"), [(1, 1, 1), (11, 1, 12), (399, 1, 400), (399, 4, 400), (23, 11, 33), (121, 1, 125)]
)
def test_fast_sizes(at_least, multiple, size):
    assert fast_size(at_least, multiple) == size
