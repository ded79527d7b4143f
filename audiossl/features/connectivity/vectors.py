"""Symmetric matrices as vectors of their entries below the diagonal."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from audiossl.errors import DataError

MOST = 1 - 1e-6  # correlations beyond it have no finite Fisher z


def vectorise(matrix: Shaped[Tensor, "*B N N"]) -> Shaped[Tensor, "*B E"]:
    """Entries below the diagonal, row by row, as nilearn orders them; E = N (N - 1) / 2.

    Args:
        matrix: symmetric matrices.

    >>> vectorise(torch.tensor([[1, 2, 3], [2, 1, 4], [3, 4, 1]]))
    tensor([2, 3, 4])
    """
    rows, columns = torch.tril_indices(matrix.shape[-1], matrix.shape[-1], -1, device=matrix.device)
    return matrix[..., rows, columns]


def from_vector(vector: Shaped[Tensor, "*B E"], diagonal: float = 1.0) -> Shaped[Tensor, "*B N N"]:
    """The symmetric matrix of a vector, with a constant on its diagonal.

    Args:
        vector: entries as `vectorise` gives them.
        diagonal: value on the diagonal.

    Raises:
        DataError: if no matrix has so many entries below its diagonal.

    >>> from_vector(torch.tensor([2.0, 3.0, 4.0]))
    tensor([[1., 2., 3.],
            [2., 1., 4.],
            [3., 4., 1.]])
    """
    size = vector.shape[-1]
    num_regions = (1 + math.isqrt(1 + 8 * size)) // 2
    if num_regions * (num_regions - 1) // 2 != size:
        raise DataError(f"expected N (N - 1) / 2 entries for some N, got {size}")
    rows, columns = torch.tril_indices(num_regions, num_regions, -1, device=vector.device)
    matrix = vector.new_full((*vector.shape[:-1], num_regions, num_regions), diagonal)
    matrix[..., rows, columns] = vector
    matrix[..., columns, rows] = vector
    return matrix


def fisher_z(correlation: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """Inverse hyperbolic tangent of correlations, finite at -1 and 1.

    Args:
        correlation: correlations in [-1, 1], of any shape.

    >>> fisher_z(torch.tensor([0.0, 0.5, -0.5]))
    tensor([ 0.0000,  0.5493, -0.5493])
    """
    return correlation.clamp(-MOST, MOST).atanh()
