"""Orthonormal bases of signals of any length: Fourier, cosine, Haar; each with its exact inverse."""

from __future__ import annotations

import math

import torch
from jaxtyping import Complex, Float, Int, Shaped
from torch import Tensor, nn

from audiossl.features.frames.precision import full_precision
from audiossl.features.frames.ragged import each_length

ROOT_HALF = math.sqrt(0.5)


class RealFourier(nn.Module):
    """Orthonormal Fourier transform of real signals, the K = L // 2 + 1 bins from 0 to Nyquist.

    X[k] = L^-1/2 sum_n x[n] exp(-2 pi i k n / L). The bins between 0 and Nyquist stand for their mirror images too and are
    weighted by sqrt(2), so that the squared norm is that of the signal, for odd and even L. With `weighted=False` they are the
    one-sided tensor of arXiv 2510.22655, section 2, which keeps about half of the squared norm.

    Args:
        weighted: whether inner bins are weighted by sqrt(2).

    >>> signal, fourier = torch.randn(1, 2, 15), RealFourier()
    >>> torch.allclose(fourier.inverse(fourier(signal), 15), signal, atol=1e-6)
    True
    """

    def __init__(self, weighted: bool = True) -> None:
        super().__init__()
        self.weighted = weighted

    def forward(self, signal: Shaped[Tensor, "B C L"], lengths: Int[Tensor, "B"] | None = None) -> Complex[Tensor, "B C K"]:
        """Transform a batch; with `lengths`, each distinct length by itself, zeros behind its bins.

        Raises:
            DataError: if a length is not one of 1..L.
        """
        return each_length(self.coefficients, full_precision(signal), lengths, signal.shape[-1] // 2 + 1)

    def coefficients(self, signal: Float[Tensor, "B C L"]) -> Complex[Tensor, "B C K"]:
        """Transform signals that are L samples long."""
        spectrum = torch.fft.rfft(signal, norm="ortho")
        return spectrum * interior(spectrum, signal.shape[-1], math.sqrt(2)) if self.weighted else spectrum

    def inverse(self, spectrum: Complex[Tensor, "B C K"], length: int) -> Float[Tensor, "B C L"]:
        """Return the signals of `length` samples that have these coefficients."""
        if self.weighted:
            spectrum = spectrum * interior(spectrum, length, ROOT_HALF)
        return torch.fft.irfft(spectrum, length, norm="ortho")


class DCT2(nn.Module):
    """Orthonormal cosine transform of type II.

    X[k] = c_k sum_n x[n] cos(pi k (2 n + 1) / (2 L)) with c_0 = L^-1/2 and c_k = (2 / L)^1/2.

    Computed by one real FFT of L samples, after Makhoul (1980): even samples forwards, then odd ones backwards.

    >>> DCT2()(torch.ones(1, 1, 4)).abs().round(decimals=4)
    tensor([[[2., 0., 0., 0.]]])
    """

    def forward(self, signal: Shaped[Tensor, "B C L"], lengths: Int[Tensor, "B"] | None = None) -> Float[Tensor, "B C L"]:
        """Transform a batch; with `lengths`, each distinct length by itself, zeros behind its coefficients.

        Raises:
            DataError: if a length is not one of 1..L.
        """
        return each_length(self.coefficients, full_precision(signal), lengths, signal.shape[-1])

    def coefficients(self, signal: Float[Tensor, "B C L"]) -> Float[Tensor, "B C L"]:
        """Transform signals that are L samples long."""
        length = signal.shape[-1]
        folded = torch.cat([signal[..., ::2], signal[..., 1::2].flip(-1)], dim=-1)
        turned = torch.fft.rfft(folded, norm="ortho")
        turned = turned * _quarter_turns(turned, length)
        # The mirrored bin L - k of a real signal is the conjugate of bin k; turned, its real part is -Im of bin k.
        mirrored = -turned.imag[..., 1 : length - turned.shape[-1] + 1].flip(-1)
        first, rest = turned.real[..., :1], turned.real[..., 1:]
        return torch.cat([first, math.sqrt(2) * rest, math.sqrt(2) * mirrored], dim=-1)

    def inverse(self, coefficients: Float[Tensor, "B C L"]) -> Float[Tensor, "B C L"]:
        """Return the signals that have these coefficients."""
        length = coefficients.shape[-1]
        bins = length // 2 + 1
        real = torch.cat([coefficients[..., :1], ROOT_HALF * coefficients[..., 1:bins]], dim=-1)
        mirrored = coefficients[..., 1:].flip(-1)[..., : bins - 1]
        imag = torch.cat([torch.zeros_like(coefficients[..., :1]), -ROOT_HALF * mirrored], dim=-1)
        turned = torch.complex(real, imag)
        folded = torch.fft.irfft(turned * _quarter_turns(turned, length).conj(), length, norm="ortho")
        half = (length + 1) // 2
        signal = torch.empty_like(folded)
        signal[..., ::2] = folded[..., :half]
        signal[..., 1::2] = folded[..., half:].flip(-1)
        return signal


class Haar(nn.Module):
    """Orthonormal Haar wavelet transform down to one average, for any length; coefficients from coarse to fine.

    Each level merges neighbours: the average of m samples, a = sum / sqrt(m), and that of n samples, b, become
    (sqrt(m) a + sqrt(n) b) / sqrt(m + n) and the detail (sqrt(n) a - sqrt(m) b) / sqrt(m + n). For lengths that are powers of two
    m = n, and this is the ordinary transform. Otherwise the last average of an odd level waits for the next level, and the last
    merge of a level is unbalanced. Every merge is a rotation, so the transform is orthonormal for every length, and a constant
    signal has no details.

    >>> signal = torch.randn(1, 2, 13)
    >>> torch.allclose(Haar()(signal).norm(), signal.norm())
    True
    """

    def forward(self, signal: Shaped[Tensor, "B C L"], lengths: Int[Tensor, "B"] | None = None) -> Float[Tensor, "B C L"]:
        """Transform a batch; with `lengths`, each distinct length by itself, zeros behind its coefficients.

        Raises:
            DataError: if a length is not one of 1..L.
        """
        return each_length(self.coefficients, full_precision(signal), lengths, signal.shape[-1])

    def coefficients(self, signal: Float[Tensor, "B C L"]) -> Float[Tensor, "B C L"]:
        """Transform signals that are L samples long."""
        average, fine_to_coarse = signal, []
        for first, second in _merges(signal):
            pairs = len(first)
            a, b, waiting = average[..., 0 : 2 * pairs : 2], average[..., 1 : 2 * pairs : 2], average[..., 2 * pairs :]
            fine_to_coarse.append(second * a - first * b)
            average = torch.cat([first * a + second * b, waiting], dim=-1)
        return torch.cat([average, *reversed(fine_to_coarse)], dim=-1)

    def inverse(self, coefficients: Float[Tensor, "B C L"]) -> Float[Tensor, "B C L"]:
        """Return the signals that have these coefficients."""
        average, details = coefficients[..., :1], coefficients[..., 1:]
        for first, second in reversed(_merges(coefficients)):
            pairs = len(first)
            merged, waiting, detail = average[..., :pairs], average[..., pairs:], details[..., :pairs]
            details = details[..., pairs:]
            both = torch.stack([first * merged + second * detail, second * merged - first * detail], dim=-1).flatten(-2)
            average = torch.cat([both, waiting], dim=-1)
        return average


def interior(like: Complex[Tensor, "..."], length: int, weight: float) -> Float[Tensor, "K"]:
    """Weights of one-sided bins: `weight` between 0 and Nyquist, 1 at 0 and, for even lengths, at Nyquist."""
    bins = length // 2 + 1
    weights = torch.full((bins,), weight, dtype=like.real.dtype, device=like.device)
    weights[0] = 1
    if length % 2 == 0:
        weights[-1] = 1
    return weights


def _quarter_turns(like: Complex[Tensor, "*S K"], length: int) -> Complex[Tensor, "K"]:
    """exp(-pi i k / (2 L)) of bins k = 0..L // 2."""
    angle = torch.arange(like.shape[-1], dtype=torch.float64) * (-math.pi / (2 * length))
    return torch.polar(torch.ones_like(angle), angle).to(like)


def _merges(like: Float[Tensor, "B C L"]) -> list[tuple[Float[Tensor, "P"], Float[Tensor, "P"]]]:
    """Cosine and sine of the rotations of each level, finest first."""
    counts = torch.ones(like.shape[-1], dtype=torch.float64)
    levels = []
    while len(counts) > 1:
        pairs = len(counts) // 2
        a, b = counts[0 : 2 * pairs : 2], counts[1 : 2 * pairs : 2]
        levels.append(((a / (a + b)).sqrt().to(like), (b / (a + b)).sqrt().to(like)))
        counts = torch.cat([a + b, counts[2 * pairs :]])
    return levels
