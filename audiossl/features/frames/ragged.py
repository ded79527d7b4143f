"""Transforms that know a signal by its length, applied to padded batches of unequal lengths."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from audiossl.errors import DataError


def checked_lengths(signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"] | None) -> list[int]:
    """Return the length of every signal, or raise DataError where one does not lie in 1..L."""
    size = signal.shape[-1]
    counts = [size] * len(signal) if lengths is None else lengths.tolist()
    if size < 1 or any(not 1 <= count <= size for count in counts):
        raise DataError(f"expected lengths from 1 to {size}, the samples of the batch, got {counts}: pass samples, not seconds")
    return counts


def each_length(
    transform: Callable[[Tensor], Tensor], signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"] | None, size: int
) -> Shaped[Tensor, "B C *K"]:
    """Transform all signals of one length together, and fill the last axis with zeros to `size`.

    A periodic transform of a padded signal differs from the transform of the signal alone, so padding is cut off first.
    """
    counts = checked_lengths(signal, lengths)
    if set(counts) <= {signal.shape[-1]}:
        return transform(signal)
    longest_first = sorted(set(counts), reverse=True)
    of_signal = torch.tensor(counts, device=signal.device)
    out = None
    for count in longest_first:
        rows = (of_signal == count).nonzero()[:, 0]
        part = transform(signal[rows, :, :count])
        if out is None:
            out = part.new_zeros(len(signal), *part.shape[1:-1], size)
        out[rows, ..., : part.shape[-1]] = part
    assert out is not None  # there is at least one length
    return out
