"""Magnitudes by matrix products against those of the filter bank in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.features.frames import Gabor
from audiossl.features.frames.matrix_bank import MatrixBank


@settings(deadline=None, max_examples=15)
@given(
    length=st.integers(1, 140),
    hop=st.integers(1, 6),
    mode=st.sampled_from(["paper", "tight"]),
    scales=st.sampled_from([(48, 1.0, 128.0), (3, 0.05, 500.0), (25, 2.0, 9.0)]),
)
def test_magnitudes_are_those_of_the_filter_bank(length, hop, mode, scales):
    signal = torch.randn(16, 2, length)
    assert MatrixBank.suits(signal)
    frame = Gabor(*scales, mode=mode, hop=hop)
    expected = frame(signal.double())
    assert (frame(signal) - expected).abs().max() < 2e-6 * expected.abs().max()


@pytest.mark.parametrize("length", [200, 301])
def test_every_scale_is_exact_and_work_is_saved(length):
    frame = Gabor()
    signal = torch.randn(300, 1, length)
    expected = frame(signal.double())
    error = (frame(signal) - expected).abs().amax((0, 1, 3)) / expected.amax((0, 1, 3))
    assert error.max() < 2e-6
    pieces = frame._matrices[length].pieces
    multiplications = sum(p.weight.numel() + (0 if p.projection is None else p.projection.numel()) for p in pieces)
    assert multiplications < 0.5 * 48 * 2 * length * length
    assert any(p.projection is not None for p in pieces) and any(p.samples.stop < length for p in pieces)


def test_without_onednn(monkeypatch):
    signal = torch.randn(32, 1, 90)
    expected = Gabor()(signal)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert torch.allclose(Gabor()(signal), expected, atol=1e-5)


def test_gradients_and_other_types_go_through_ffts():
    signal = torch.randn(32, 1, 60)
    assert not MatrixBank.suits(signal.double())
    assert not MatrixBank.suits(signal[:31])
    assert not MatrixBank.suits(signal.to("meta"))
    assert not MatrixBank.suits(torch.empty(32, 1, 513))
    wanted = signal.clone().requires_grad_()
    frame = Gabor()
    out = frame(wanted)
    assert torch.allclose(out, frame(signal), atol=1e-5)
    out.square().sum().backward()
    # The gradient of the energy is twice the frame operator, here computed in float64.
    double = signal.double().requires_grad_()
    frame(double).square().sum().backward()
    assert torch.allclose(wanted.grad.double(), double.grad, rtol=1e-4, atol=1e-3)
    with torch.no_grad():
        assert MatrixBank.suits(wanted)


def test_a_large_padded_batch_gives_what_each_signal_gives_alone():
    signal = torch.randn(40, 1, 100)
    lengths = torch.randint(40, 101, (40,))
    batch = Gabor(output="log_magnitude", hop=2)(signal, lengths)
    for row, whole, length in zip(batch, signal, lengths.tolist(), strict=True):
        alone = Gabor(output="log_magnitude", hop=2)(whole[None, :, :length])[0]
        assert torch.allclose(row[..., : alone.shape[-1]], alone, atol=1e-5)
        assert (row[..., alone.shape[-1] :] == 0).all()


def test_few_matrices_are_kept():
    frame = Gabor(3)
    for length in range(20, 30):
        frame(torch.zeros(32, 1, length))
    assert list(frame._matrices) == [26, 27, 28, 29]
