"""Networks that follow another as a moving average, and how slowly they do."""

from __future__ import annotations

import math

import torch
from torch import nn


def momentum_at(step: int, momentum: float, steps: int) -> float:
    """How much of a moving average is kept after `step` updates: from `momentum` up to 1 along a cosine (arXiv 2006.07733).

    Args:
        step: updates made.
        momentum: m_0.
        steps: updates until 1 is reached; 0 keeps m_0.

    >>> [round(momentum_at(step, 0.9, 100), 3) for step in (0, 50, 100, 200)]
    [0.9, 0.95, 1.0, 1.0]
    """
    if not steps:
        return momentum
    return 1 - (1 - momentum) * (math.cos(math.pi * min(1.0, step / steps)) + 1) / 2


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, keep: float) -> None:
    """Move the parameters and buffers of a network towards those of another of the same make; whole numbers are copied.

    Args:
        target: network that follows.
        online: network that is trained.
        keep: share of the target that is kept.

    >>> target, online = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    >>> before = (0.75 * target.weight + 0.25 * online.weight).item()
    >>> follow(target, online, 0.75)
    >>> abs(target.weight.item() - before) < 1e-6
    True
    """
    for value, source in zip(target.state_dict().values(), online.state_dict().values(), strict=True):
        if value.dtype.is_floating_point:
            value.lerp_(source, 1 - keep)
        else:
            value.copy_(source)
