"""Numbers that change while training, as pure functions of the adjusted batch number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOMINAL_SECONDS = 600.0  # seconds of signal that make one adjusted batch


@dataclass
class Clock:
    """The adjusted batch number: how many batches of 600 s of signal a run has seen. Shared by all devices of a model."""

    batch: float = 0.0

    def set(self, step: int, seconds_per_step: float) -> None:
        """Go to an optimiser step; `seconds_per_step` are the nominal seconds of signal of a step, over all ranks."""
        self.batch = step * seconds_per_step / NOMINAL_SECONDS


@dataclass(frozen=True)
class Schedule:
    """A piecewise linear function, constant before the first and after the last of its knots (adjusted batch, value).

    >>> rate = Schedule((0, 0.5), (4000, 0.1))
    >>> rate.at(-1.0), rate.at(1000.0), rate.at(9999.0)
    (0.5, 0.4, 0.1)
    """

    knots: tuple[tuple[int | float, float], ...]

    def __init__(self, *knots: tuple[int | float, float]) -> None:
        object.__setattr__(self, "knots", knots)

    def at(self, batch: float) -> float:
        """Value at an adjusted batch number."""
        return float(np.interp(batch, [knot[0] for knot in self.knots], [knot[1] for knot in self.knots]))


Number = float | Schedule  # a device's number, changing or not


def value_at(number: Number, batch: float) -> float:
    """Value of a number at an adjusted batch."""
    return number.at(batch) if isinstance(number, Schedule) else number
