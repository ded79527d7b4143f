"""What became of the steps since the log was last written: it stays on the device until then, so that no step waits for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from audiossl.errors import DataError
from audiossl.training.batches import Batch
from audiossl.training.run_log import RunLog
from audiossl.training.run_state import Progress
from audiossl.training.spikes import is_spike
from audiossl.world import World

MAX_SKIPPED = 10  # steps in a row without a finite gradient before a run gives up
MAX_WAITING = 100  # steps that are kept at most, where the log is seldom written
Number = float | Tensor


@dataclass
class Outcomes:
    """The steps since the last `settle`: their losses and gradient norms, as tensors of the device or as numbers.

    Attributes:
        in_a_row: steps in a row, up to the last that was settled, whose gradient was not finite.
    """

    in_a_row: int = 0
    _steps: list[int] = field(default_factory=list)
    _items: list[list[str]] = field(default_factory=list)
    _knows: list[bool] = field(default_factory=list)
    _numbers: list[tuple[Number, Number, Number]] = field(default_factory=list)

    def add(self, step: int, items: list[str], total: Number, weight: Number, norm: Number, *, knows_usual_loss: bool) -> None:
        """Keep the summed loss of a step with its weight, and the norm of its gradient.

        Args:
            step: optimiser steps before it.
            items: ids of its items on this rank.
            total, weight, norm: what is kept.
            knows_usual_loss: whether the running mean of the loss has it already, or should not have it.
        """
        self._steps.append(step)
        self._items.append(items)
        self._knows.append(knows_usual_loss)
        self._numbers.append((total, weight, norm))

    @property
    def is_full(self) -> bool:
        """Whether so many steps wait that they should be settled."""
        return len(self._steps) >= MAX_WAITING

    def settle(self, progress: Progress, log: RunLog, world: World, may_go_on: bool = False) -> float:
        """Count and list the steps that were left out, follow the usual loss, and return the norm of the last gradient.

        Args:
            progress: progress of the run.
            log: log of the run.
            world: ranks of the run, which all have to ask.
            may_go_on: however many steps in a row were left out, as in fp16, where a smaller scale of the loss may help.

        Raises:
            DataError: if gradients were not finite for 10 steps in a row.
        """
        rows = _read(self._numbers)
        for step, items, knows, (total, weight, norm) in zip(self._steps, self._items, self._knows, rows, strict=True):
            if math.isfinite(norm):
                self.in_a_row = 0
                if not knows:
                    is_spike(progress, total / max(weight, 1e-12), 0.0)
                continue
            self.in_a_row += 1
            skip(step, items, "the gradient is not finite, the step is left out", progress, log, world)
            if self.in_a_row >= MAX_SKIPPED and not may_go_on:
                raise DataError(
                    f"no finite gradient in {MAX_SKIPPED} steps in a row; their items are in {log.skipped}. "
                    "Lower training.lr, or look at the items."
                )
        for kept in (self._steps, self._items, self._knows, self._numbers):
            kept.clear()
        return rows[-1][2] if rows else math.nan


def ids_of(group: Sequence[Batch]) -> list[str]:
    """Ids of the items of some batches, of those that have any."""
    return [str(item) for batch in group for item in getattr(batch, "ids", [])]


def skip(step: int, items: Sequence[str], reason: str, progress: Progress, log: RunLog, world: World) -> None:
    """Count and list a step that is left out, with the items of all ranks."""
    log.skip(step, reason, [item for of_rank in world.gather(list(items)) for item in of_rank])
    progress.skipped += 1


def _read(rows: Sequence[tuple[Number, Number, Number]]) -> list[tuple[float, float, float]]:
    """Numbers of several steps, fetched from the device at once."""
    tensors = [value.detach().double().reshape(()) for row in rows for value in row if isinstance(value, Tensor)]
    fetched = iter(torch.stack(tensors).tolist() if tensors else [])
    numbers = [[next(fetched) if isinstance(value, Tensor) else value for value in row] for row in rows]
    return [(total, weight, norm) for total, weight, norm in numbers]
