"""The floating point type of transforms."""

from __future__ import annotations

import pytest
import torch

from audiossl.features.frames import DCT2, STFT, Gabor, Haar, RealFourier


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("transform", [DCT2(), Haar(), RealFourier(), STFT(8, 2), Gabor(3)], ids=lambda t: type(t).__name__)
def test_everything_but_float64_is_computed_in_float32(transform, onednn, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
    signal = torch.randn(32, 1, 64)
    expected = transform(signal.bfloat16().float())
    assert expected.real.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(transform(signal.bfloat16()), expected)
    assert transform(signal.double()).real.dtype == torch.float64
    assert torch.equal(transform((9 * signal).to(torch.int16)), transform((9 * signal).to(torch.int16).float()))


@pytest.mark.parametrize("transform", [DCT2(), Haar(), RealFourier(), STFT(8, 2), Gabor(3)], ids=lambda t: type(t).__name__)
def test_shapes_on_the_meta_device(transform):
    assert transform(torch.empty(2, 3, 64, device="meta")).shape == transform(torch.empty(2, 3, 64)).shape
