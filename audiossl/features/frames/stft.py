"""The short-time Fourier transform as a tight frame."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Complex, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import ConfigError
from audiossl.features.frames.bases import ROOT_HALF, interior
from audiossl.features.frames.precision import full_precision
from audiossl.features.frames.ragged import checked_lengths
from audiossl.lengths import padding_mask

Output = Literal["magnitude", "log_magnitude", "complex"]


class STFT(nn.Module):
    """Short-time Fourier transform with a Hann window, normalised to a tight frame: bounds 1 and 1 on real signals of any length.

    The periodic Hann window of `size` samples is divided by the root of the sum of its squares at all shifts by the hop, which is
    a constant where the size is three or more hops. Zeros surround the signal, frame t begins at sample (t + 1) hop - size, and
    the ceil((L + size - hop) / hop) frames that touch the signal are returned, K = size // 2 + 1 bins each.

    Args:
        size: samples of a window; the bins are size // 2 + 1.
        hop: samples between frames.
        output: `magnitude`, `log_magnitude` or `complex`.

    Raises:
        ConfigError: unless 1 <= hop < size and the output is known.

    >>> STFT(16, 4)(torch.randn(2, 3, 100)).shape
    torch.Size([2, 3, 9, 28])
    """

    def __init__(self, size: int = 64, hop: int = 16, *, output: Output = "magnitude") -> None:
        super().__init__()
        if not 1 <= hop < size:
            raise ConfigError(f"expected 1 <= hop < size, without which frames leave gaps, got hop {hop} and size {size}")
        if output not in get_args(Output):
            raise ConfigError(f"expected an output of {get_args(Output)}, got {output!r}")
        self.size, self.hop = size, hop
        self.output: Output = output

    def num_frames(self, lengths: Int[Tensor, "*B"]) -> Int[Tensor, "*B"]:
        """Frames that touch `lengths` samples: ceil((length + size - hop) / hop)."""
        return (lengths + self.size - 1) // self.hop

    def forward(self, signal: Shaped[Tensor, "B C L"], lengths: Int[Tensor, "B"] | None = None) -> Shaped[Tensor, "B C K T"]:
        """Transform a padded batch; each signal gives what it gives alone, and zeros behind its frames.

        Raises:
            DataError: if a length is not one of 1..L.
        """
        signal = full_precision(signal)
        checked_lengths(signal, lengths)
        if lengths is not None:
            signal = signal.masked_fill(padding_mask(lengths, signal.shape[-1])[:, None], 0)
        frames = self.coefficients(signal)
        if lengths is not None:
            frames = frames.masked_fill(padding_mask(self.num_frames(lengths), frames.shape[-1])[:, None, None], 0)
        if self.output == "complex":
            return frames
        return frames.abs().log1p() if self.output == "log_magnitude" else frames.abs()

    def coefficients(self, signal: Float[Tensor, "B C L"]) -> Complex[Tensor, "B C K T"]:
        """Return the complex coefficients of signals that are L samples long."""
        before = self.size - self.hop
        count = (signal.shape[-1] + self.size - 1) // self.hop
        after = (count - 1) * self.hop + self.size - before - signal.shape[-1]
        rows = F.pad(signal.flatten(0, 1), (before, after))
        window = self._window(signal)
        frames = torch.stft(rows, self.size, self.hop, window=window, center=False, normalized=True, return_complex=True)
        return (frames * interior(frames, self.size, math.sqrt(2))[:, None]).unflatten(0, signal.shape[:2])

    def inverse(self, coefficients: Complex[Tensor, "B C K T"], length: int) -> Float[Tensor, "B C L"]:
        """Reconstruct signals of `length` samples from complex coefficients, by the adjoint."""
        spectra = coefficients.flatten(0, 1) * interior(coefficients, self.size, ROOT_HALF)[:, None]
        frames = torch.fft.irfft(spectra, self.size, dim=1, norm="ortho") * self._window(spectra.real)[:, None]
        total = (frames.shape[-1] - 1) * self.hop + self.size
        rows = F.fold(frames, (1, total), (1, self.size), stride=(1, self.hop))[:, 0, 0]
        before = self.size - self.hop
        return rows[:, before : before + length].unflatten(0, coefficients.shape[:2])

    def _window(self, like: Tensor) -> Float[Tensor, "N"]:
        window = torch.hann_window(self.size, dtype=like.dtype, device=like.device)
        squares = F.pad(window.square(), (0, -self.size % self.hop)).unflatten(0, (-1, self.hop))
        return window / squares.sum(0).sqrt().repeat(len(squares))[: self.size]
