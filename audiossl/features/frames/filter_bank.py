"""A bank of circular filters applied in the frequency domain, at every hop-th sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Complex, Float
from torch import Tensor

AT_ONCE = 12  # filters of a band at most
BLOCK = 2**17  # coefficients of a block that stays in a CPU's cache
NEGLIGIBLE = 1e-2  # of the rounding error of a response's peak


@dataclass(frozen=True)
class Band:
    """Responses (a, folds x M) of consecutive filters from bin `start` on; beyond they are negligible."""

    start: int
    responses: Tensor


class FilterBank:
    """Real frequency responses of one length of signals, on one device and of one type.

    A filtered signal taken at every hop-th sample has the spectrum of the whole, folded: where hop divides the FFT length, the
    spectrum is added up in pieces of M = size / hop bins, and the inverse FFT is only M long.

    Args:
        responses: (size,) each, float64.
        length: samples of a signal, at most `size`.
        size: length of the FFTs.
        hop: samples between outputs.
        like: a signal, for type and device.
    """

    def __init__(self, responses: Iterable[Float[Tensor, "N"]], length: int, size: int, hop: int, like: Tensor) -> None:
        self.length, self.size = length, size
        self.folding = hop if size % hop == 0 else 1
        self.slicing = hop // self.folding
        self.frames = -(-length // hop)
        bands = [self._band(response, like) for response in responses]
        self.bands = [
            Band(start, torch.cat([band.responses for band in alike[i : i + AT_ONCE]]))
            for (start, _), group in groupby(bands, key=lambda band: (band.start, band.responses.shape[1]))
            for alike in [list(group)]
            for i in range(0, len(alike), AT_ONCE)
        ]

    def _band(self, response: Float[Tensor, "N"], like: Tensor) -> Band:
        piece = self.size // self.folding
        peak = response.abs().max()
        audible = (response.abs() >= NEGLIGIBLE * torch.finfo(like.dtype).eps * peak).nonzero()[:, 0]
        start, stop = int(audible[0]) // piece * piece, (int(audible[-1]) // piece + 1) * piece
        return Band(start, (response[None, start:stop] / self.folding).to(like))

    def __call__(self, signal: Float[Tensor, "B C L"]) -> Complex[Tensor, "B C A T"]:
        """Filter signals of `length` samples."""
        rows = max(BLOCK * self.folding // (self.size * AT_ONCE), 1)
        blocks = [
            torch.cat([self.outputs(spectrum, band) for band in self.bands], dim=1)
            for spectrum in (torch.fft.fft(some, self.size) for some in signal.flatten(0, 1).split(rows))
        ]
        return torch.cat(blocks).unflatten(0, signal.shape[:2])

    def outputs(self, spectrum: Complex[Tensor, "R N"], band: Band) -> Complex[Tensor, "R A T"]:
        """Return the outputs of the filters of one band, given the FFTs of signals."""
        product = spectrum[:, None, band.start : band.start + band.responses.shape[1]] * band.responses
        piece = self.size // self.folding
        folded = product.unflatten(-1, (-1, piece)).sum(-2) if product.shape[-1] > piece else product
        return torch.fft.ifft(folded)[..., :: self.slicing][..., : self.frames]

    def adjoint(self, coefficients: Complex[Tensor, "B C A L"]) -> Float[Tensor, "B C L"]:
        """Apply the adjoint on real signals of the filters at hop 1, whose responses are whole."""
        responses = torch.cat([band.responses for band in self.bands])
        spectrum = (torch.fft.fft(coefficients, self.size) * responses).sum(-2)
        return torch.fft.ifft(spectrum).real[..., : self.length]


def fast_size(at_least: int, multiple: int = 1) -> int:
    """Return the smallest sufficient multiple of `multiple` whose other factors are 2, 3, 5 and 7."""
    count = -(-at_least // multiple)
    while True:
        rest = count
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return count * multiple
        count += 1
