"""Rows with times of their own as uninterrupted stretches on a regular grid: order, copies, gaps, another rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from audiossl.errors import DataError
from audiossl.signals.sensors.filters import resample

GAP = 3.5  # steps: two samples that are missing are bridged, three are a gap
LATE = 10  # steps by which a row may come too late; more than that, and time begins again
LOWER = 1.1  # times the rate of the grid, above which a signal is filtered before it is thinned out


@dataclass(frozen=True)
class Stretch:
    """Rows of a table that follow each other without a gap, in order of time.

    Attributes:
        rows: numbers of the rows.
        times: of the rows, seconds.
    """

    rows: Int[np.ndarray, "S"]
    times: Float64[np.ndarray, "S"]

    @property
    def rate(self) -> float:
        """Mean rate, Hz."""
        return (len(self.times) - 1) / float(self.times[-1] - self.times[0])


def stretches(
    times: Float64[np.ndarray, "S"],
    rows: Int[np.ndarray, "S"],
    values: Float64[np.ndarray, "C S"],
    max_gap: float = 0.0,
    account: Counter[str] | None = None,
) -> Iterator[Stretch]:
    """Divide rows where time begins again and where there is a gap; rows that come a little too late are put in order.

    Args:
        times: of the rows, seconds.
        rows: their numbers.
        values: of all channels in these rows, to tell a row that comes twice from another one of the same time.
        max_gap: seconds between rows that are bridged; 0 for 3.5 times the usual step.
        account: counts rows out of order, copies, gaps, restarts and lone rows by name.

    Raises:
        DataError: if rows of one time have other values, or no two rows have different times.
    """
    account = Counter() if account is None else account
    steps = np.diff(times)
    forward = steps[steps > 0]
    if not len(forward):
        raise DataError("expected times that rise, got one time in all rows" if len(times) > 1 else "expected two rows or more")
    step = float(np.median(forward))
    begins = np.flatnonzero(steps < -LATE * step) + 1
    account["restarts"] += len(begins)
    for part in np.split(np.arange(len(times)), begins):
        order = part[np.argsort(times[part], kind="stable")]
        account["rows out of order"] += int((np.diff(times[part]) < 0).sum())
        order = order[_first_of_each(times[order], values[:, order], rows[order], account)]
        breaks = np.flatnonzero(np.diff(times[order]) > (max_gap or GAP * step)) + 1
        account["gaps"] += len(breaks)
        for piece in np.split(order, breaks):
            if len(piece) > 1:
                yield Stretch(rows[piece], times[piece])
            else:
                account["lone rows"] += len(piece)


def _first_of_each(
    times: Float64[np.ndarray, "S"], values: Float64[np.ndarray, "C S"], rows: Int[np.ndarray, "S"], account: Counter[str]
) -> Bool[np.ndarray, "S"]:
    """All rows but copies of the one before."""
    again = np.diff(times) == 0
    same = ((values[:, 1:] == values[:, :-1]) | (np.isnan(values[:, 1:]) & np.isnan(values[:, :-1]))).all(0)
    if (again & ~same).any():
        count = int((again & ~same).sum())
        first = int(rows[int((again & ~same).argmax()) + 1])
        raise DataError(
            f"{count} rows have the time of the row before and other values, the first is row {first}: are times rounded, or are "
            f"several sensors or people in one table? Where samples are regular, leave time= away and say rate=HZ"
        )
    account["copies of rows"] += int(again.sum())
    return np.concatenate([[True], ~again])


def on_grid(values: Float64[np.ndarray, "C S"], times: Float64[np.ndarray, "S"], rate: float) -> Float32[np.ndarray, "C N"]:
    """Bring a stretch to a regular rate, from its first sample on.

    Samples within half a step of the grid are taken as they are; others are interpolated linearly, and before they are thinned
    out a filter removes what lies above the new half rate. A new sample between a known and a missing one (NaN) is missing.

    >>> on_grid(np.array([[0.0, 1.0, 3.0]]), np.array([0.0, 0.1, 0.3]), 10.0)
    array([[0., 1., 2., 3.]], dtype=float32)
    """
    span = float(times[-1] - times[0])
    size = int(span * rate + 1e-6) + 1
    own = (len(times) - 1) / span
    if _is_regular(times, rate) and len(times) == size:
        return values.astype(np.float32)
    if own <= LOWER * rate:
        return _interpolated(values, times, times[0] + np.arange(size) / rate)
    even = values if _is_regular(times, own) else _interpolated(values, times, times[0] + np.arange(len(times)) / own)
    return resample(even, own, rate)[:, :size]


def _is_regular(times: Float64[np.ndarray, "S"], rate: float) -> bool:
    return bool((np.abs(times - times[0] - np.arange(len(times)) / rate) <= 0.5 / rate).all())


def _interpolated(
    values: Float64[np.ndarray, "C S"], times: Float64[np.ndarray, "S"], at: Float64[np.ndarray, "N"]
) -> Float32[np.ndarray, "C N"]:
    return np.stack([np.interp(at, times, row) for row in values]).astype(np.float32)
