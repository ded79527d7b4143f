"""Frame bounds of maps whose singular values are known."""

from __future__ import annotations

import pytest
import torch

from audiossl.features.frames import frame_bounds


class Known:
    """A linear map given by a matrix."""

    def __init__(self, matrix):
        self.matrix = matrix

    def coefficients(self, signal):
        return signal.to(self.matrix.dtype) @ self.matrix.mT


def test_bounds_are_squared_singular_values():
    matrix = torch.randn(50, 33, dtype=torch.float64)
    singular = torch.linalg.svdvals(matrix)
    assert frame_bounds(Known(matrix), 33) == pytest.approx((float(singular[-1]) ** 2, float(singular[0]) ** 2))


def test_bounds_are_those_of_real_signals():
    # Real and imaginary parts of the coefficients count as two: this map loses nothing of a real signal, but some complex ones.
    matrix = torch.tensor([[1, 1j]], dtype=torch.complex128)
    assert frame_bounds(Known(matrix), 2) == pytest.approx((1, 1))
