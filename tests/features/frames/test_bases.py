"""Orthonormal bases against their definitions, and their inverses."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.features.frames import DCT2, Haar, RealFourier, frame_bounds

BASES = [RealFourier(), DCT2(), Haar()]
EACH = pytest.mark.parametrize("basis", BASES, ids=lambda basis: type(basis).__name__)


def invert(basis, coefficients, length):
    return basis.inverse(coefficients, length) if isinstance(basis, RealFourier) else basis.inverse(coefficients)


@EACH
@settings(deadline=None, max_examples=25)
@given(length=st.integers(1, 130), seed=st.integers(0, 99))
def test_norm_is_kept_and_inverse_is_exact_for_any_length(basis, length, seed):
    signal = torch.randn(2, 3, length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    coefficients = basis(signal)
    assert torch.allclose(coefficients.abs().square().sum(-1), signal.square().sum(-1), rtol=1e-12)
    assert torch.allclose(invert(basis, coefficients, length), signal, atol=1e-12)
    single = basis(signal.float())
    assert single.real.dtype == torch.float32
    assert torch.allclose(invert(basis, single, length), signal.float(), atol=1e-5)


@EACH
@pytest.mark.parametrize("length", [1, 2, 7, 64, 99])
def test_frame_bounds_are_one(basis, length):
    assert frame_bounds(basis, length) == pytest.approx((1, 1), abs=1e-12)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13])
def test_cosine_transform_is_its_definition(length):
    k, n = torch.arange(length, dtype=torch.float64)[:, None], torch.arange(length, dtype=torch.float64)
    matrix = (math.pi * k * (2 * n + 1) / (2 * length)).cos() * math.sqrt(2 / length)
    matrix[0] /= math.sqrt(2)
    assert torch.allclose(DCT2()(torch.eye(length, dtype=torch.float64)[None])[0].T, matrix, atol=1e-14)


@pytest.mark.parametrize("length", [1, 2, 9, 16])
def test_one_sided_fourier_is_its_definition(length):
    signal = torch.randn(1, 1, length, dtype=torch.float64)
    k, n = torch.arange(length // 2 + 1)[:, None], torch.arange(length)
    expected = (signal * torch.exp(-2j * math.pi * k * n / length)).sum(-1)[None] / math.sqrt(length)
    assert torch.allclose(RealFourier(weighted=False)(signal), expected, atol=1e-13)
    assert torch.allclose(RealFourier(weighted=False).inverse(expected, length), signal, atol=1e-13)


def test_one_sided_fourier_keeps_about_half_of_the_energy():
    signal = torch.randn(1, 1, 200)
    kept = RealFourier(weighted=False)(signal).abs().square().sum() / signal.square().sum()
    assert 0.49 < kept < 0.53


def test_haar_of_four_and_three_samples_by_hand():
    four = Haar()(torch.tensor([[[1.0, 3.0, 10.0, 6.0]]]))[0, 0]
    assert four.tolist() == pytest.approx([10, -6, -math.sqrt(2), math.sqrt(8)])
    # The third sample waits and then meets the average of the first two, which weighs twice as much.
    three = Haar()(torch.tensor([[[1.0, 3.0, 5.0]]]))[0, 0]
    assert three.tolist() == pytest.approx([9 / math.sqrt(3), (2 - 5) * math.sqrt(2 / 3), -math.sqrt(2)])


@settings(deadline=None, max_examples=20)
@given(length=st.integers(1, 200))
def test_haar_of_a_constant_has_no_details(length):
    coefficients = Haar()(torch.ones(1, 1, length, dtype=torch.float64))[0, 0]
    assert coefficients[0] == pytest.approx(math.sqrt(length))
    assert coefficients[1:].abs().sum() < 1e-12


@EACH
@settings(deadline=None, max_examples=15)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5), more=st.integers(0, 3))
def test_a_padded_batch_gives_what_each_signal_gives_alone(basis, lengths, more):
    signal = torch.randn(len(lengths), 2, max(lengths) + more)  # what lies behind a length is not looked at
    batch = basis(signal, torch.tensor(lengths))
    assert batch.shape[-1] == basis(signal).shape[-1]
    for row, length, whole in zip(batch, lengths, signal, strict=True):
        alone = basis(whole[None, :, :length])[0]
        assert torch.allclose(row[:, : alone.shape[-1]], alone, atol=1e-6)
        assert (row[:, alone.shape[-1] :] == 0).all()


def test_impossible_lengths_are_refused():
    with pytest.raises(DataError, match="lengths from 1 to 5"):
        DCT2()(torch.zeros(2, 1, 5), torch.tensor([5, 6]))


@EACH
@pytest.mark.parametrize("length", [6, 7])
def test_gradients(basis, length):
    signal = torch.randn(2, 1, length, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: basis(x, torch.tensor([length, length - 2])), signal)
    assert torch.autograd.gradcheck(lambda x: invert(basis, basis(x), length), signal)
