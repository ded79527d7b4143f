"""Windows represented a few at a time, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from audiossl.objectives.pooling import Pooling, pool_frames
from audiossl.signals.sensors.windows import WindowSet

BLOCK = 512  # windows encoded at once


@torch.no_grad()
def in_blocks(
    windows: WindowSet, rows: Sequence[int], function: Callable[[Tensor, Tensor], Tensor], size: int = BLOCK
) -> Float[Tensor, "N *D"]:
    """Apply a function of signals and lengths to windows, on the CPU."""
    blocks = torch.tensor(rows).split(size)
    return torch.cat([function(windows.values[block], windows.lengths[block]).float() for block in blocks])


def pooled(encoder: nn.Module, pooling: Pooling = "mean") -> Callable[[Tensor, Tensor], Tensor]:
    """The pooled frames of an encoder in evaluation mode, as a function of signals and lengths."""
    encoder.eval()
    return lambda signal, lengths: pool_frames(encoder(signal, lengths), pooling)
