"""Means of losses and their parts over steps, accumulation and ranks."""

from __future__ import annotations

import math

import torch

from audiossl.objectives.loss import Loss, Ratio
from audiossl.world import World


class Meter:
    """Adds up losses until they are read; exact whatever the sizes of the batches."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float | torch.Tensor, float | torch.Tensor]] = {}

    def add(self, loss: Loss) -> None:
        """Add one loss; its tensors are not read before `read`, so this does not wait for a GPU."""
        for name, part in {"loss": Ratio(loss.total.detach(), loss.weight), **loss.parts}.items():
            old_total, old_count = self._sums.get(name, (0.0, 0.0))
            self._sums[name] = (old_total + part.total, old_count + part.count)

    def read(self, world: World) -> dict[str, float]:
        """Means over everything added on all ranks since the last reading, without those of which nothing was counted."""
        sums: dict[str, list[float]] = {}
        for part in world.gather({name: (float(total), float(count)) for name, (total, count) in self._sums.items()}):
            for name, (total, count) in part.items():
                entry = sums.setdefault(name, [0.0, 0.0])
                entry[0] += total
                entry[1] += count
        self._sums.clear()
        return {name: total / count if math.isfinite(total) else math.nan for name, (total, count) in sums.items() if count}
