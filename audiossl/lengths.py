"""Lengths of padded batches: masks and padding, in one place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


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
    """Give the known samples of every channel of every signal mean 0 and deviation 1; the others become 0."""
    signal, count = signal.masked_fill(~known, 0.0), known.sum(-1, keepdim=True).clamp(min=1)
    centred = (signal - signal.sum(-1, keepdim=True) / count).masked_fill(~known, 0.0)
    return centred / (centred.square().sum(-1, keepdim=True) / count).sqrt().clamp(min=1e-6)
