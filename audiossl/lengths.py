"""Lengths of padded batches: masks and padding, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

T = TypeVar("T", bound=Tensor)
Count = TypeVar("Count", int, Tensor)
CONSTANT = 2.5e-7  # two steps of float32: a smaller share of its mean is no deviation


@runtime_checkable
class OfLength(Protocol):
    """A function of one length, or of a tensor of them."""

    def __call__(self, length: Count, /) -> Count: ...


def told(lengths: T, numbers: Sequence[int]) -> T:
    """Note on a tensor of lengths, or of padded items, the lengths as numbers, so that nobody waits for a device to read them.

    >>> on_host(told(torch.tensor([3, 5]), [3, 5]))
    [3, 5]
    """
    cast(Any, lengths).numbers_on_host = list(numbers)
    return lengths


def known_on_host(lengths: Tensor) -> list[int] | None:
    """The numbers that were noted on a tensor; None where there are none."""
    return getattr(lengths, "numbers_on_host", None)


def on_host(lengths: Int[Tensor, "B"]) -> list[int]:
    """The lengths as numbers: those that were noted, or, after waiting for the device, those that are there."""
    known = known_on_host(lengths)
    return lengths.tolist() if known is None else known


def mapped(lengths: Int[Tensor, "B"], function: OfLength) -> Int[Tensor, "B"]:
    """Apply a function to lengths, and to the numbers that were noted on them.

    >>> on_host(mapped(told(torch.tensor([3, 5]), [3, 5]), lambda length: length * 2))
    [6, 10]
    """
    known, found = known_on_host(lengths), function(lengths)
    return found if known is None else told(found, [function(length) for length in known])


def padding_mask(lengths: Int[Tensor, "B"], size: int) -> Bool[Tensor, "B {size}"]:
    """Mark the padding of a batch: True where position >= length."""
    return torch.arange(size, device=lengths.device)[None, :] >= lengths[:, None]


def pad_stack(items: Sequence[Tensor], value: float = 0.0) -> tuple[Tensor, Int[Tensor, "B"]]:
    """Stack tensors of shape (length_i, ...) into (B, max length, ...) filled with `value`, and return their lengths."""
    lengths = torch.tensor([len(item) for item in items], dtype=torch.int64)
    first = items[0]
    told(lengths, [len(item) for item in items])
    batch = first.new_full((len(items), max(on_host(lengths)), *first.shape[1:]), value)
    for row, item in zip(batch, items, strict=True):
        row[: len(item)] = item
    return batch, lengths


def standardise_known(signal: Float[Tensor, "B C S"], known: Bool[Tensor, "B C S"]) -> Float[Tensor, "B C S"]:
    """Give the known samples of every channel of every signal mean 0 and deviation 1; others and constant channels are 0.

    Constant is what deviates by no more than rounding does at its size, whatever the unit: fields in tesla are about 1e-13.
    """
    signal, count = signal.masked_fill(~known, 0.0), known.sum(-1, keepdim=True).clamp(min=1)
    mean = signal.sum(-1, keepdim=True) / count
    centred = (signal - mean).masked_fill(~known, 0.0)
    deviation = (centred.square().sum(-1, keepdim=True) / count).sqrt()
    return torch.where(deviation > CONSTANT * mean.abs(), centred / deviation, 0.0)
