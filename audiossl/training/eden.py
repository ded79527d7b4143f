"""The Eden learning rate: falls with the square root of steps, and again with that of the data seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Eden:
    """Learning rate as a function of the steps already taken (Zipformer, arXiv 2310.11230, section 3.5, with hours for epochs).

    Attributes:
        lr: rate before both declines.
        seconds_per_step: nominal seconds of signal in a step, over all ranks and accumulation.
        steps, hours: scales at which the declines set in.
        warmup_steps: steps over which a factor rises from 0.5 to 1.

    >>> round(Eden(lr=0.045, seconds_per_step=60.0)(7500), 4)
    0.0378
    """

    lr: float
    seconds_per_step: float
    steps: float = 7500.0
    hours: float = 10000.0
    warmup_steps: int = 500

    def __call__(self, step: int) -> float:
        """Learning rate of the step that follows `step` others."""
        hours = step * self.seconds_per_step / 3600
        warm = 0.5 + 0.5 * step / self.warmup_steps if step < self.warmup_steps else 1.0
        return self.lr * warm * (1 + (step / self.steps) ** 2) ** -0.25 * (1 + (hours / self.hours) ** 2) ** -0.25
