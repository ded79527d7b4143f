"""Magnitudes of a filter bank's outputs for short signals on a CPU, by matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.features.frames.filter_bank import FilterBank
from audiossl.features.products import product_by_transpose

LONGEST = 512  # samples of a signal; the matrices of longer ones are large and slow to make
FEWEST = 32  # signals from which reading the matrices costs less than it saves
BLOCK = 64  # samples spanned by the outputs of a piece,
SHORTEST = 32  # or so many outputs, if those span more
ROWS = 256  # signals whose outputs of one piece stay in the cache
NEGLIGIBLE = 3e-8  # of a piece's largest entry or singular value: half of float32's rounding


@dataclass(frozen=True)
class Piece:
    """Outputs of some filters at some times, as a matrix on the samples that they depend on."""

    filters: slice
    frames: slice
    samples: slice
    projection: Tensor | None  # (r, n): onto the r directions that the outputs depend on, where that saves work
    weight: Tensor  # (2 a t, r or n): real and imaginary parts


class MatrixBank:
    """The linear map of a filter bank, cut into pieces that are small for one of two reasons.

    Fine filters are short: their outputs in a stretch of time depend on the samples around it. Coarse filters are smooth: their
    outputs depend on few combinations of the samples, which are found as the singular vectors of the piece. Together that leaves
    a third of the multiplications of the whole matrix.

    Args:
        bank: the filters, in float64 on the CPU.
        hop: samples between outputs.
    """

    def __init__(self, bank: FilterBank, hop: int) -> None:
        self.frames = bank.frames
        self.pieces: list[Piece] = []
        spectrum = torch.fft.fft(torch.eye(bank.length, dtype=torch.float64), bank.size)
        blocks = max(round(self.frames / max(BLOCK // hop, SHORTEST)), 1)
        step = -(-self.frames // blocks)
        first = 0
        for band in bank.bands:
            outputs = torch.view_as_real(bank.outputs(spectrum, band))  # (L, a, T, 2)
            filters = slice(first, first + outputs.shape[1])
            first = filters.stop
            for begin in range(0, self.frames, step):
                frames = slice(begin, min(begin + step, self.frames))
                matrix = outputs[:, :, frames].permute(3, 1, 2, 0).flatten(0, 2)  # (2 a t, L)
                self.pieces.append(_piece(filters, frames, matrix))
        self.num_filters = first

    @staticmethod
    def suits(signal: Tensor) -> bool:
        """Whether these signals are for matrices: enough short ones in float32 on a CPU, and no gradient."""
        return (
            signal.device.type == "cpu"
            and signal.dtype == torch.float32
            and signal.shape[-1] <= LONGEST
            and signal.shape[0] * signal.shape[1] >= FEWEST
            and not (torch.is_grad_enabled() and signal.requires_grad)
            and not torch.compiler.is_compiling()
        )

    def magnitude(self, signal: Float[Tensor, "B C L"]) -> Float[Tensor, "B C A T"]:
        """Return the magnitudes of the outputs, without a gradient."""
        rows = signal.flatten(0, 1)
        out = rows.new_empty(len(rows), self.num_filters, self.frames)
        for some, result in zip(rows.split(ROWS), out.split(ROWS), strict=True):
            for piece in self.pieces:
                inputs = some[:, piece.samples].contiguous()
                if piece.projection is not None:
                    inputs = product_by_transpose(inputs, piece.projection)
                target = result[:, piece.filters, piece.frames]
                real, imag = product_by_transpose(inputs, piece.weight).chunk(2, dim=1)
                real, imag = real.square_().view(target.shape), imag.view(target.shape)
                torch.addcmul(real, imag, imag, out=target)
            result.sqrt_()
        return out.unflatten(0, signal.shape[:2])


def _piece(filters: slice, frames: slice, matrix: Float[Tensor, "M L"]) -> Piece:
    used = (matrix.abs().amax(0) >= NEGLIGIBLE * matrix.abs().max()).nonzero()[:, 0]
    samples = slice(int(used[0]), int(used[-1]) + 1)
    matrix = matrix[:, samples]
    eigenvalues, directions = torch.linalg.eigh(matrix.T @ matrix)
    directions = directions[:, eigenvalues >= NEGLIGIBLE**2 * eigenvalues[-1]]
    height, width, rank = *matrix.shape, directions.shape[1]
    if rank * (height + width) > 0.8 * height * width:
        return Piece(filters, frames, samples, None, matrix.float())
    return Piece(filters, frames, samples, directions.T.float().contiguous(), (matrix @ directions).float())
