"""Tables of one's own as pieces of recordings: who, which stretches, at which rate, and which labels hold when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int

from audiossl.errors import DataError
from audiossl.signals.sensors.clock import TimeUnit, read_clock
from audiossl.signals.sensors.columns import Columns, read_columns
from audiossl.signals.sensors.grid import Stretch, on_grid, stretches
from audiossl.signals.sensors.recording import Annotation, Rejected


@dataclass(frozen=True)
class TableWords:
    """The columns of tables, by what they are; empty where there is none. See `OwnFiles`."""

    channels: tuple[str, ...]
    time: str = ""
    label: str = ""
    person: str = ""
    time_unit: TimeUnit = "auto"
    max_gap: float = 0.0


@dataclass(frozen=True)
class Piece:
    """An uninterrupted part of a file, at the rate of the set.

    Attributes:
        person: that a column names; empty where none does.
        units: of the channels.
        values: (C, S).
        annotations: of the label.
        about: what the same cell of all rows says, by column.
    """

    person: str
    units: tuple[str, ...]
    values: Float32[np.ndarray, "C S"]
    annotations: tuple[Annotation, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)


def pieces_of(
    path: Path, words: TableWords, rate: float, account: Counter[str], constants: bool = False
) -> Iterator[Piece | Rejected]:
    """Read the uninterrupted parts of a table, person after person.

    Args:
        path: of the table.
        words: what its columns are.
        rate: Hz of the parts.
        account: counts what was done to rows, by name.
        constants: keep what is the same in all rows of a part.

    Raises:
        ConfigError: if the unit of time is not plain.
        DataError: if a column of the channels, time or person is missing, or holds something else.
    """
    columns = read_columns(path)
    values = np.stack([columns.numbers(name) for name in words.channels])
    units = tuple(columns.units.get(name, "1") for name in words.channels)
    times = _times(columns, words, rate, account)
    labels = _labels(columns, words.label, account)
    taken = {*words.channels, words.time, words.label, words.person}
    others = {name: columns.texts(name) for name in columns.names if constants and name not in taken}
    for person, rows in _people(columns, words.person, times is not None, account):
        try:
            for stretch in _stretches(times, rows, values, rate, words.max_gap, account):
                grid = on_grid(values[:, stretch.rows], stretch.times, rate)
                seconds = grid.shape[1] / rate
                found = _annotations([labels[row] for row in stretch.rows], stretch, seconds) if labels else ()
                about = {name: cells[stretch.rows[0]] for name, cells in others.items()}
                same = {k: v for k, v in about.items() if v is not None and all(others[k][row] == v for row in stretch.rows)}
                yield Piece(person, units, grid, found, same)
        except DataError as error:
            yield Rejected("", f"{path}{f', {person}' if person else ''}: {error}")


def rate_of(path: Path, words: TableWords) -> float:
    """Mean rate of the longest stretch of a table, Hz.

    Raises:
        DataError: if its times or people cannot be read.
    """
    columns = read_columns(path)
    times, _ = read_clock(columns, words.time, words.time_unit)
    nothing = np.zeros((1, len(columns)))
    found = [
        stretch
        for _, rows in _people(columns, words.person, True, Counter())
        for stretch in stretches(times[rows], rows, nothing[:, rows], words.max_gap)
    ]
    if not found:
        raise DataError(f"{path}: no two rows follow each other")
    return max(found, key=lambda stretch: len(stretch.rows)).rate


def _times(columns: Columns, words: TableWords, rate: float, account: Counter[str]) -> Float64[np.ndarray, "S"] | None:
    if not words.time:
        return None
    times, unit = read_clock(columns, words.time, words.time_unit, rate)
    account[f"time in {unit}"] += 1
    return times


def _labels(columns: Columns, label: str, account: Counter[str]) -> list[str | None]:
    if not label:
        return []
    if not columns.has(label):
        account["files without labels"] += 1
        return []
    return columns.texts(label)


def _people(columns: Columns, column: str, is_timed: bool, account: Counter[str]) -> Iterator[tuple[str, Int[np.ndarray, "S"]]]:
    """The rows of every person; without times, rows that do not follow each other are apart."""
    if not column:
        yield "", np.arange(len(columns))
        return
    names = columns.texts(column)
    account["rows without a person"] += names.count(None)
    if is_timed:
        of_person: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            if name is not None:
                of_person.setdefault(name, []).append(row)
        for name, rows in of_person.items():
            yield name, np.array(rows)
        return
    bounds = [0, *(row for row in range(1, len(names)) if names[row] != names[row - 1]), len(names)]
    for first, last in pairwise(bounds):
        if (name := names[first]) is not None:
            yield name, np.arange(first, last)


def _stretches(
    times: Float64[np.ndarray, "S"] | None,
    rows: Int[np.ndarray, "R"],
    values: Float64[np.ndarray, "C S"],
    rate: float,
    max_gap: float,
    account: Counter[str],
) -> Iterator[Stretch]:
    if times is not None:
        yield from stretches(times[rows], rows, values[:, rows], max_gap, account)
    elif len(rows) > 1:
        yield Stretch(rows, np.arange(len(rows)) / rate)
    else:
        account["lone rows"] += len(rows)


def _annotations(labels: Sequence[str | None], stretch: Stretch, seconds: float) -> tuple[Annotation, ...]:
    """Neighbours of one label as stretches, from the first row of one to the first row of the next."""
    starts = [0, *(place for place in range(1, len(labels)) if labels[place] != labels[place - 1])]
    times = [float(stretch.times[place] - stretch.times[0]) for place in starts]
    found = []
    for place, (start, end) in zip(starts, pairwise([*times, seconds]), strict=True):
        end = min(end, seconds)
        if labels[place] is not None and start < end:
            found.append(Annotation(start, end, labels[place]))
    return tuple(found)
