"""Networks that follow another as a moving average, and how slowly they do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from audiossl.models.gin import kept_statistics


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


@contextmanager
def in_the_mode_of(target: nn.Module, online: nn.Module) -> Iterator[None]:
    """Let batch norms of a moving average normalise as those of the trained network do, without keeping anything.

    In training they are of the batch, as in the published code of BYOL (arXiv 2006.07733) and MoCo: statistics that follow slowly
    from nothing would belong to neither network. All else of the moving average evaluates.

    Args:
        target: network that follows.
        online: network that is trained.

    >>> target, online = nn.BatchNorm1d(2, affine=False), nn.BatchNorm1d(2, affine=False).train()
    >>> with in_the_mode_of(target, online):
    ...     normalised = target(torch.tensor([[1.0, 5.0], [3.0, 9.0]]))
    >>> normalised.round(decimals=2).tolist(), target.running_mean.tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [0.0, 0.0])
    """
    target.eval()
    for norm in target.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.train(online.training)
    with kept_statistics(target):
        yield
