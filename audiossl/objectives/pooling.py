"""One vector for a window."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from audiossl.features.rich_pooling import rich_pooling
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Frames

Pooling = Literal["mean", "rich"]


def mean_frame(frames: Frames) -> Float[Tensor, "B D"]:
    """Mean of the final output over valid frames, in float32.

    Args:
        frames: frames of a batch; those beyond each length do not count.

    >>> import torch
    >>> ramp = torch.arange(6.0).reshape(1, 6, 1)
    >>> mean_frame(Frames.from_layers([ramp], torch.tensor([3]))).item()
    1.0
    """
    padding = padding_mask(frames.last_lengths, frames.last.shape[1])
    total = frames.last.float().masked_fill(padding[..., None], 0.0).sum(1)
    return total / frames.last_lengths.clamp(min=1)[:, None]


def pool_frames(frames: Frames, pooling: Pooling = "mean") -> Float[Tensor, "B _"]:
    """One vector for each window of a batch.

    Args:
        frames: frames of a batch.
        pooling: `mean`, the mean of the final output; `rich`, four times as wide: its mean, deviation, maximum and share of
            positive values.

    >>> import torch
    >>> frames = Frames.from_layers([torch.randn(2, 6, 8)], torch.tensor([6, 3]))
    >>> pool_frames(frames).shape, pool_frames(frames, "rich").shape
    (torch.Size([2, 8]), torch.Size([2, 32]))
    """
    return mean_frame(frames) if pooling == "mean" else rich_pooling(frames.last, frames.last_lengths)
