"""Measured frame bounds of a transform."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

AT_ONCE = 16  # basis signals whose coefficients are held at a time


@runtime_checkable
class LinearTransform(Protocol):
    """A transform that is linear before any magnitude is taken."""

    def coefficients(self, signal: Tensor) -> Tensor:
        """Map signals (B, C, L) to real or complex coefficients (B, C, ...)."""
        ...


def frame_bounds(frame: LinearTransform, length: int) -> tuple[float, float]:
    """Measure the frame bounds A <= ||coefficients(x)||^2 / ||x||^2 <= B over all real signals x of `length` samples.

    They are the extreme eigenvalues of the frame operator, computed in float64 on the CPU; orthonormal bases and tight frames
    normalised to one have A = B = 1. Time and memory grow with the cube and the square of the length: meant for windows up to
    a few thousand samples.

    Args:
        frame: transform with `coefficients(signal)`.
        length: samples L of the signals.

    >>> from audiossl.features.frames.bases import DCT2
    >>> [round(bound, 6) for bound in frame_bounds(DCT2(), 12)]
    [1.0, 1.0]
    """
    rows = []
    for basis in torch.eye(length, dtype=torch.float64).split(AT_ONCE):
        basis = basis[:, None].requires_grad_()
        with torch.enable_grad():
            coefficients = frame.coefficients(basis)
            energy = coefficients.abs().square().sum() / 2
        # The gradient of half the energy is the frame operator applied to the signal.
        rows.append(torch.autograd.grad(energy, basis)[0][:, 0])
    eigenvalues = torch.linalg.eigvalsh(torch.cat(rows))
    return float(eigenvalues[0]), float(eigenvalues[-1])
