"""Activations as a list of frames, with a weight of 0 for padded ones, so that padding does not enter a statistic."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def as_frames(
    x: Float[Tensor, "*S"], padding: Bool[Tensor, "B L"] | None, channels: slice
) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T"] | None]:
    """Turn (B, T, ..., D) into (frames, chosen channels) in float32, and give each frame its weight; None where all are valid."""
    rows = x[..., channels].float().flatten(0, -2)
    if padding is None:
        return rows, None
    inner = len(rows) // padding.numel()  # frames of a time step: the mel bins of the front end
    return rows, (~padding).flatten().repeat_interleave(inner).float()


def mean_over_frames(rows: Float[Tensor, "T D"], weights: Float[Tensor, "T"] | None) -> Float[Tensor, "D"]:
    """Mean of each channel."""
    if weights is None:
        return rows.mean(dim=0)
    return (weights @ rows) / weights.sum().clamp(min=1.0)


def add_to_channels(x: Float[Tensor, "*S"], addend: Float[Tensor, "T D"], channels: slice) -> Float[Tensor, "*S"]:
    """Add rows to some channels of (B, T, ..., D), computing in float32."""
    if channels == slice(None):
        return (x.float() + addend.view(x.shape)).to(x.dtype)
    x = x.clone(memory_format=torch.contiguous_format)
    part = x[..., channels]
    part.copy_(part.float() + addend.view(part.shape))
    return x
