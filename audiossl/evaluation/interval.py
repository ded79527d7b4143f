"""A value with its confidence interval; how it is found is in `intervals`, which needs torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % confidence interval.

    Attributes:
        low, high: ends; None where no interval can be given.
        groups: over how many groups; None where that is not known.
        error: standard error of the value; None where it is not known.
        degrees: degrees of freedom of the error.

    >>> Interval(0.8, 0.7, 0.9).low
    0.7
    """

    value: float
    low: float | None
    high: float | None
    groups: int | None = None
    error: float | None = None
    degrees: float | None = None

    @property
    def ends(self) -> dict[str, float | int | None]:
        """Value, ends and number of groups, as JSON."""
        return {"value": self.value, "low": self.low, "high": self.high, "groups": self.groups}
