"""The Gabor frame: a continuous wavelet transform with complex Morlet wavelets."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from jaxtyping import Complex, Float, Int, Shaped
from torch import Tensor, nn

from audiossl.errors import ConfigError, DataError
from audiossl.features.frames.filter_bank import FilterBank, fast_size
from audiossl.features.frames.gabor_filters import HALF_SUPPORT, Morlet, longest_lag
from audiossl.features.frames.matrix_bank import MatrixBank
from audiossl.features.frames.precision import full_precision
from audiossl.features.frames.ragged import checked_lengths, each_length
from audiossl.lengths import padding_mask

Mode = Literal["paper", "nyquist_safe", "tight"]
Output = Literal["magnitude", "log_magnitude", "complex"]
MOST_BANKS = 16  # kept, one for each length, device and type
MOST_MATRICES = 4  # kept; they hold some 10 MB each


class Gabor(nn.Module):
    """Complex Morlet wavelet transform at geometric scales, the overcomplete frame of arXiv 2510.22655, section 2.

    With psi(t) = (pi B)^-1/2 exp(-t^2 / B) exp(2 pi i C t) the coefficients are

        W[a, b] = a^-1/2 sum_n x[n] conj(psi((n - b) / a))       at b = 0, hop, 2 hop, ..., T = ceil(L / hop) frames.

    Modes:
        paper: the sum itself with the wavelet cut to 16 a + 1 samples and zeros around the signal, as in the paper. Scales below
            2 C lie above Nyquist and are aliased, the coarsest wavelets are longer than short signals, and the frame is loose:
            `frame_bounds` measures B / A = 15, 54 and 77 at 100, 200 and 480 samples. PyWavelets, which the paper used, does not
            sample the wavelet: it differentiates an integral read from a table. That is looser still (32, 389 and 9e4 on real
            signals; on complex ones 2e5, 9e5 and 2e7). On white noise its magnitudes correlate with these by 0.2 at scale 1,
            0.95 at 1.8, 0.98 to 0.999 from 2 to 60 and 0.96 or more beyond.
        nyquist_safe: the same sum at scales from 2 C to (L - 1) / 16, so that no centre lies above Nyquist and every wavelet fits
            into the signal. Of the wavelet at scale 2 C half the spectrum still lies beyond Nyquist and is aliased, from 4 C on
            nothing. The scales depend on the length of each signal, and nothing covers frequencies far below 16 C / L.
        tight: on a circle of L samples, Gaussians divided by the root of their summed squares; the finest reaches up to Nyquist,
            the coarsest down to 0. Frame bounds of real signals are 1 and 1 at hop 1, and `inverse` reconstructs them exactly.
            A hop divides both bounds by as much and spreads them, since the finest filters are wider than the hop's share of the
            band: 0.4999 and 0.5001 at hop 2, 0.21 and 0.29 at hop 4 for 120 samples.

    Outputs: `magnitude` |W|, `log_magnitude` log(1 + |W|), `complex` W. Input in float64 stays in float64; anything else is
    computed in float32. Filters are computed once per length and kept with the module, not in its state. Magnitudes of 32 or more
    signals of up to 512 samples on a CPU, of which no gradient is asked, come from matrix products in a fifth to a third of the
    time of the FFTs, once the matrices are made (0.1 s for 200 samples, 0.8 s for 512); both ways agree to 1e-6 of the largest.

    Raises:
        ConfigError: if scales, hop, mode or output are impossible.

    >>> Gabor(8, hop=10)(torch.randn(2, 3, 100)).shape
    torch.Size([2, 3, 8, 10])
    """

    def __init__(
        self,
        num_scales: int = 48,
        min_scale: float = 1.0,
        max_scale: float = 128.0,
        *,
        mode: Mode = "paper",
        hop: int = 1,
        output: Output = "magnitude",
        bandwidth: float = 1.0,
        centre_frequency: float = 1.0,
    ) -> None:
        super().__init__()
        if num_scales < 1 or not 0 < min_scale <= max_scale or hop < 1 or bandwidth <= 0 or centre_frequency <= 0:
            raise ConfigError(
                "expected num_scales >= 1, 0 < min_scale <= max_scale, hop >= 1, bandwidth > 0 and centre_frequency > 0, "
                f"got {num_scales}, {min_scale}, {max_scale}, {hop}, {bandwidth} and {centre_frequency}"
            )
        if mode not in get_args(Mode) or output not in get_args(Output):
            raise ConfigError(
                f"expected a mode of {get_args(Mode)} and an output of {get_args(Output)}, got {mode!r} and {output!r}"
            )
        self.num_scales, self.min_scale, self.max_scale = num_scales, min_scale, max_scale
        self.mode: Mode = mode
        self.output: Output = output
        self.hop = hop
        self.wavelet = Morlet(bandwidth, centre_frequency)
        self._banks: dict[tuple[int, torch.device, torch.dtype], FilterBank] = {}
        self._matrices: dict[int, MatrixBank] = {}

    def scales(self, length: int) -> Float[Tensor, "A"]:
        """Scales in samples for signals of `length` samples, in float64, finest first.

        Raises:
            DataError: in mode `nyquist_safe`, if no scale fits.
        """
        low, high = self.min_scale, self.max_scale
        if self.mode == "nyquist_safe":
            low = max(low, 2 * self.wavelet.centre_frequency)
            high = min(high, (length - 1) / (2 * HALF_SUPPORT))
            if high < low:
                raise DataError(
                    f"expected signals of at least {2 * HALF_SUPPORT * low + 1:g} samples, which hold the wavelet of scale "
                    f"{low:g}, got {length}: use longer windows or mode 'paper' or 'tight'"
                )
        return torch.logspace(0, 1, self.num_scales, base=high / low, dtype=torch.float64) * low

    def num_frames(self, lengths: Int[Tensor, "*B"]) -> Int[Tensor, "*B"]:
        """Frames of `lengths` samples: ceil(length / hop)."""
        return (lengths + self.hop - 1) // self.hop

    def forward(
        self, signal: Shaped[Tensor, "B C L"], lengths: Int[Tensor, "B"] | None = None
    ) -> Shaped[Tensor, "B C {self.num_scales} T"]:
        """Transform a padded batch; each signal gives what it gives alone, and zeros behind its frames.

        `paper` takes a batch at once, since zeros surround its signals anyway. In the other modes filters depend on the length,
        and each distinct length is transformed by itself.

        Raises:
            DataError: if a length is not one of 1..L, or too short for `nyquist_safe`.
        """
        signal = full_precision(signal)
        frames = -(-signal.shape[-1] // self.hop)
        if self.mode != "paper":
            return each_length(self._transform, signal, lengths, frames)
        counts = checked_lengths(signal, lengths)
        if lengths is None or set(counts) == {signal.shape[-1]}:
            return self._transform(signal)
        signal = signal.masked_fill(padding_mask(lengths, signal.shape[-1])[:, None], 0)
        return self._transform(signal).masked_fill(padding_mask(self.num_frames(lengths), frames)[:, None, None], 0)

    def coefficients(self, signal: Float[Tensor, "B C L"]) -> Complex[Tensor, "B C {self.num_scales} T"]:
        """Return W of signals that are L samples long: the linear map before the magnitude."""
        return self._bank(signal)(signal)

    def inverse(self, coefficients: Complex[Tensor, "B C {self.num_scales} L"]) -> Float[Tensor, "B C L"]:
        """Reconstruct signals from complex coefficients of mode `tight` at hop 1, by the adjoint.

        Raises:
            ConfigError: in another mode or with another hop.
        """
        if self.mode != "tight" or self.hop != 1:
            raise ConfigError(
                f"expected mode 'tight' and hop 1 for reconstruction by the adjoint, got {self.mode!r} and {self.hop}"
            )
        return self._bank(coefficients.real).adjoint(coefficients)

    def _transform(self, signal: Float[Tensor, "B C L"]) -> Shaped[Tensor, "B C A T"]:
        if self.output == "complex":
            return self.coefficients(signal)
        magnitude = self._matrix(signal).magnitude(signal) if MatrixBank.suits(signal) else self.coefficients(signal).abs()
        return magnitude.log1p() if self.output == "log_magnitude" else magnitude

    def _bank(self, like: Tensor) -> FilterBank:
        """Return the filters for signals like this one, from those kept if possible."""
        key = (like.shape[-1], like.device, like.dtype)
        if key not in self._banks:
            _make_room(self._banks, MOST_BANKS)
            self._banks[key] = self._new_bank(like)
        return self._banks[key]

    def _matrix(self, like: Tensor) -> MatrixBank:
        length = like.shape[-1]
        if length not in self._matrices:
            _make_room(self._matrices, MOST_MATRICES)
            with torch.no_grad():
                self._matrices[length] = MatrixBank(self._new_bank(like.double()), self.hop)
        return self._matrices[length]

    def _new_bank(self, like: Tensor) -> FilterBank:
        length = like.shape[-1]
        scales = self.scales(length)
        if self.mode == "tight":
            return FilterBank(self.wavelet.tight(scales, length), length, length, self.hop, like)
        size = fast_size(length + longest_lag(float(scales.max()), length), self.hop)
        return FilterBank(self.wavelet.sampled(scales, length, size), length, size, self.hop, like)


def _make_room(kept: dict[Any, Any], most: int) -> None:
    """Drop the oldest entry of those kept if there are `most`."""
    if len(kept) >= most:
        del kept[next(iter(kept))]
