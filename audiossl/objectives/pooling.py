"""One vector for a window."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from audiossl.lengths import padding_mask
from audiossl.models.encoder import Frames


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
