"""Time as files write it: seconds, parts of seconds, or date and time; found where that is plain, asked for where it is not."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

import numpy as np
import pyarrow
from jaxtyping import Float64

from audiossl.errors import ConfigError, DataError
from audiossl.signals.sensors.columns import ARROW, Columns

TimeUnit = Literal["auto", "s", "ms", "us", "ns", "datetime"]
FACTORS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "datetime": "date and time"}
_NAMED = re.compile(
    r"(?:^|[\W_])(?:(s|sec|secs|seconds?)|(ms|msecs?|millis|milliseconds?)|(us|µs|micros|microseconds?)|(ns|nanos\w*))$", re.I
)
_SINCE_1970 = {"s": 1e9, "ms": 1e12, "us": 1e15, "ns": 1e18}  # of a day between 1985 and 2128, to a factor of 4


def read_clock(columns: Columns, name: str, unit: TimeUnit = "auto", rate: float = 0.0) -> tuple[Float64[np.ndarray, "S"], str]:
    """Read a column of times as seconds from its first row, and say in which unit it was.

    Args:
        columns: of the file.
        name: of the column.
        unit: that it is in; `auto` finds it: date and time by itself; a unit in the header, such as `t (ms)` or `time_ms`;
            numbers since 1970 by their size; else the unit that is nearest to the rate, or seconds where steps are below 1.
        rate: Hz that the signal should have; 0 where it is not known.

    Raises:
        ConfigError: if the unit is not plain; the message says what to declare.
        DataError: if a row has no time.
    """
    cells = columns.get(name)
    if unit == "datetime" or (unit == "auto" and not _are_numbers(columns, name, cells)):
        return _from_dates(columns, name, cells), "datetime"
    numbers = columns.numbers(name)
    if np.isnan(numbers).any():
        row = int(np.isnan(numbers).argmax())
        raise DataError(f"{columns.path}, {columns.place(row)}: no time in column {name}")
    found = _find_unit(columns, name, numbers, rate) if unit == "auto" else unit
    return (numbers - numbers[0]) * FACTORS[found], found


def _are_numbers(columns: Columns, name: str, cells: pyarrow.ChunkedArray) -> bool:
    if pyarrow.types.is_temporal(cells.type):
        return False
    known = [cell for cell in columns.texts(name)[:100] if cell is not None]
    return not any(re.search(r"\d[-/:.]\d+[-/:.]\d", cell) for cell in known)


def _find_unit(columns: Columns, name: str, numbers: Float64[np.ndarray, "S"], rate: float) -> str:
    written = _NAMED.search(columns.units.get(name, "") or "") or _NAMED.search(name)
    if written:
        return next(unit for unit, found in zip(FACTORS, written.groups(), strict=True) if found)
    for unit, size in _SINCE_1970.items():
        if size / 2 < abs(numbers[0]) < 5 * size:
            return unit
    steps = np.diff(numbers)
    steps = steps[steps > 0]
    if not len(steps):
        return "s"
    step = float(np.median(steps))
    where = f"{columns.path}: the time in column {name} goes up by {step:g}"
    if step == 1 and (steps == 1).mean() > 0.9:
        raise ConfigError(
            f"{where}: a number of samples, or seconds? Leave time= away and say rate=HZ where it counts samples, or say "
            f"time_unit=s, ms, us or ns"
        )
    if rate:
        return min(FACTORS, key=lambda unit: abs(np.log(step * FACTORS[unit] * rate)))
    if step < 1:
        return "s"
    choices = ", ".join(f"time_unit={unit} ({1 / (step * factor):.4g} Hz)" for unit, factor in FACTORS.items())
    raise ConfigError(f"{where}: in which unit? Say one of {choices}, or the rate of the signal, rate=HZ")


def _from_dates(columns: Columns, name: str, cells: pyarrow.ChunkedArray) -> Float64[np.ndarray, "S"]:
    if pyarrow.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if pyarrow.types.is_string(cells.type) or pyarrow.types.is_large_string(cells.type):
        cells = _parsed(columns, name, cells)
    if cells.null_count:
        row = next(place for place, cell in enumerate(cells.to_pylist()) if cell is None)
        raise DataError(f"{columns.path}, {columns.place(row)}: no time in column {name}")
    if not pyarrow.types.is_timestamp(cells.type):
        raise DataError(f"{columns.path}: expected date and time in column {name}, got {cells.type}")
    nanoseconds = np.array(cells.cast(pyarrow.timestamp("ns", cells.type.tz)).cast(pyarrow.int64()), np.int64)
    return (nanoseconds - nanoseconds[0]) / 1e9


def _parsed(columns: Columns, name: str, cells: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    if columns.decimal_comma:
        cells = ARROW.replace_substring(cells, ",", ".")
    for kind in (pyarrow.timestamp("ns"), pyarrow.timestamp("ns", "UTC")):
        try:
            return cells.cast(kind)
        except pyarrow.ArrowException:
            continue
    found: list[datetime | None] = []
    for row, cell in enumerate(cells.to_pylist()):
        try:
            found.append(datetime.fromisoformat(cell.strip()) if cell and cell.strip() else None)
        except ValueError:
            raise DataError(
                f"{columns.path}, {columns.place(row)}: expected a time in column {name} as a number, or a date and time as "
                f"2024-05-31 14:02:07.120, got {cell!r}"
            ) from None
    return pyarrow.chunked_array([pyarrow.array(found)])
