"""A bank of circular filters applied in the frequency domain, at every hop-th sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

BLOCK = 2**17  # coefficients of a block that stays in a CPU's cache
NEGLIGIBLE = 1e-2  # of the rounding error of a response's peak


@dataclass(frozen=True)
class Band:
    """The part of a response that is not negligible, from bin `start` on, a whole number of spectra of the decimated output."""

    start: int
    response: Tensor  # (folds x M,)


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
        self.bands = [self._band(response, like) for response in responses]

    def _band(self, response: Float[Tensor, "N"], like: Tensor) -> Band:
        piece = self.size // self.folding
        peak = response.abs().max()
        audible = (response.abs() > NEGLIGIBLE * torch.finfo(like.dtype).eps * peak).nonzero()[:, 0]
        first, last = (int(audible[0]) // piece, int(audible[-1]) // piece) if len(audible) else (0, 0)
        start, stop = first * piece, (last + 1) * piece
        return Band(start, (response[start:stop] / self.folding).to(like))

    def __call__(self, signal: Float[Tensor, "B C L"]) -> Complex[Tensor, "B C A T"]:
        """Filter signals that are zero after `length` samples."""
        rows = signal.flatten(0, 1)
        at_once = max(BLOCK * self.folding // self.size, 1)  # spectra of a block
        per_row = min(len(self.bands), at_once)
        blocks = []
        for some in rows.split(max(at_once // per_row, 1)):
            spectrum = torch.fft.fft(some, self.size)
            parts = [self._filter(spectrum, self.bands[i : i + per_row]) for i in range(0, len(self.bands), per_row)]
            blocks.append(torch.cat(parts, dim=1))
        return torch.cat(blocks).unflatten(0, signal.shape[:2])

    def _filter(self, spectrum: Complex[Tensor, "R N"], bands: list[Band]) -> Complex[Tensor, "R A T"]:
        piece = self.size // self.folding
        folded = []
        for band in bands:
            product = spectrum[:, band.start : band.start + len(band.response)] * band.response
            folded.append(product.unflatten(-1, (-1, piece)).sum(-2) if product.shape[-1] > piece else product)
        outputs = torch.fft.ifft(torch.stack(folded, dim=1))
        return outputs[..., :: self.slicing][..., : self.frames]

    def adjoint(self, coefficients: Complex[Tensor, "B C A L"]) -> Float[Tensor, "B C L"]:
        """Apply the adjoint on real signals of the filters at hop 1, whose responses are whole."""
        responses = torch.stack([band.response for band in self.bands])
        spectrum = (torch.fft.fft(coefficients, self.size) * responses).sum(-2)
        return torch.fft.ifft(spectrum).real[..., : self.length]


def fast_size(at_least: int, multiple: int = 1) -> int:
    """Return the smallest multiple of `multiple` whose other factors are 2, 3, 5 and 7, and which is at least so large."""
    count = -(-at_least // multiple)
    while True:
        rest = count
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return count * multiple
        count += 1
