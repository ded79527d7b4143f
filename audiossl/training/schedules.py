"""Learning rates as pure functions of the step, so that a resumed run needs no state of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from audiossl.training.config import TrainingConfig
from audiossl.training.eden import Eden

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class WarmupCosine:
    """Linear warm-up to `lr`, then half a cosine down to `final_lr` at `total_steps`."""

    lr: float
    total_steps: int
    warmup_steps: int = 0
    final_lr: float = 0.0

    def __call__(self, step: int) -> float:
        """Learning rate of the step that follows `step` others."""
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        done = min(1.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps))
        return self.final_lr + (self.lr - self.final_lr) * 0.5 * (1 + math.cos(math.pi * done))


def make_schedule(config: TrainingConfig, total_steps: int, batches_per_step: int = 1) -> Schedule:
    """The schedule that a config names."""
    match config.schedule:
        case "eden":
            seconds = config.batch_seconds * batches_per_step
            return Eden(config.lr, seconds, config.eden_steps, config.eden_hours, config.warmup_steps)
        case "cosine":
            return WarmupCosine(config.lr, total_steps, config.warmup_steps, config.final_lr)
        case "constant":
            return WarmupCosine(config.lr, total_steps, config.warmup_steps, final_lr=config.lr)
