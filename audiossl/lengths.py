"""Lengths of padded batches: masks and padding, in one place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

CONSTANT = 2.5e-7  # two steps of float32: a smaller share of its mean is no deviation


def padding_mask(lengths: Int[Tensor, "B"], size: int) -> Bool[Tensor, "B {size}"]:
    """Mark the padding of a batch: True where position >= length."""
    return torch.arange(size, device=lengths.device)[None, :] >= lengths[:, None]


def pad_stack(items: Sequence[Tensor], value: float = 0.0) -> tuple[Tensor, Int[Tensor, "B"]]:
    """Stack tensors of shape (length_i, ...) into (B, max length, ...) filled with `value`, and return their lengths."""
    lengths = torch.tensor([len(item) for item in items], dtype=torch.int64)
    first = items[0]
    batch = first.new_full((len(items), int(lengths.max()), *first.shape[1:]), value)
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
