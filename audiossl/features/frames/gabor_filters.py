"""Complex Morlet wavelets as filters in the frequency domain: sampled and truncated, or normalised to a tight frame.

All are real, since psi(-t) is the conjugate of psi(t): the correlation with a wavelet is the convolution with the same wavelet.
Everything here is float64 on the CPU and done once per length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

HALF_SUPPORT = 8  # scales on either side of the centre, as PyWavelets has it: 16 a + 1 taps


@dataclass(frozen=True)
class Morlet:
    """The mother wavelet psi(t) = (pi B)^-1/2 exp(-t^2 / B) exp(2 pi i C t), B the bandwidth and C the centre frequency."""

    bandwidth: float
    centre_frequency: float

    def sampled(self, scales: Float[Tensor, "A"], length: int, size: int) -> Iterator[Float[Tensor, "{size}"]]:
        """Yield for each scale the FFT of a^-1/2 psi(m / a) at the integers m that `length` samples can meet.

        As a sampled filter has it, what lies beyond Nyquist (a < 2 C) is aliased. `size` must leave room: length + longest lag.
        """
        for scale in scales.tolist():
            reach = longest_lag(scale, length)
            lag = torch.arange(-reach, reach + 1, dtype=torch.float64)
            envelope = torch.exp(-((lag / scale) ** 2) / self.bandwidth) / math.sqrt(math.pi * self.bandwidth * scale)
            taps = torch.zeros(size, dtype=torch.complex128)
            taps[lag.long() % size] = torch.polar(envelope, 2 * math.pi * self.centre_frequency / scale * lag)
            yield torch.fft.fft(taps).real

    def tight(self, scales: Float[Tensor, "A"], size: int) -> Iterator[Float[Tensor, "{size}"]]:
        """Yield the Gaussians divided by the root of their summed squares, at the bins from 0 to Nyquist.

        The finest filter stays at its peak up to Nyquist and the coarsest down to 0, so that the wavelets cover every bin. Bins
        between 0 and Nyquist, which stand for their mirror images too, are weighted by sqrt(2): on real signals the frame bounds
        are 1 and 1.
        """
        phase = scales[:, None] * _frequencies(size)
        peak = 2 * math.pi * self.centre_frequency
        coarsest, finest = scales.argmax(), scales.argmin()
        phase[coarsest] = phase[coarsest].clamp_min(peak)
        phase[finest] = phase[finest].clamp_max(peak)
        # A softmax of twice the logarithms is the normalisation that no gap between scales can bring to 0 / 0.
        responses = torch.softmax(-self.bandwidth / 2 * (phase - peak) ** 2, dim=0).sqrt()
        responses[:, 1 : (size + 1) // 2] *= math.sqrt(2)
        for response in responses:
            yield torch.cat([response, response.new_zeros(size - len(response))])  # nothing at negative frequencies


def longest_lag(scale: float, length: int) -> int:
    """Samples between the centre of a wavelet and its last tap, no more than two samples of a signal can be apart."""
    return min(math.floor(HALF_SUPPORT * scale), length - 1)


def _frequencies(size: int) -> Float[Tensor, "K"]:
    """Angular frequencies in radians per sample of the bins from 0 to Nyquist."""
    return torch.arange(size // 2 + 1, dtype=torch.float64) * (2 * math.pi / size)
