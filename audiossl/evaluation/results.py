"""Rows of `results.json`: what was measured, with its confidence interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audiossl.console import print_table
from audiossl.errors import StoreError
from audiossl.files import read_json, write_json

LOWER_IS_BETTER = frozenset(
    {
        "wer",
        "cer",
        "per",
        "eer",
        "der",
        "error",
        "error_rate",
        "loss",
        "mse",
        "mae",
        "rmse",
        "mape",
        "edge_bce",
        "segment_1s_er",
        "slot_value_cer",
    }
)


@dataclass(frozen=True)
class ResultRow:
    """One number of one model on one task; rates are fractions.

    Attributes:
        low: lower end of the 95 % interval.
        high: upper end.
        n: how many frames or clips were scored.
    """

    dataset: str
    task: str
    model: str
    metric: str
    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.value, self.low, self.high))):
            raise ValueError(f"expected finite numbers in a result, got {self}")


def write_results(path: Path, rows: Sequence[ResultRow]) -> None:
    """Write `results.json`, a list of rows, by rename."""
    write_json(path, [asdict(row) for row in rows])


def read_results(path: Path) -> list[ResultRow]:
    """Read `results.json`.

    Raises:
        StoreError: if the file is missing or does not hold a list of rows.
    """
    names = [field.name for field in fields(ResultRow)]
    try:
        rows: list[dict[str, Any]] = read_json(path)
        return [ResultRow(**{name: row[name] for name in names}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"expected a list of results with {', '.join(names)} in {path}, could not read it: {error!r}") from error


def results_table(rows: Sequence[ResultRow]) -> Table:
    """Lay rows out as a table, best first below the name of each dataset, task and metric."""
    table = Table()
    table.add_column("model", overflow="fold")
    for name in ("value", "95 % interval", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    order = {key: i for i, key in enumerate(dict.fromkeys((row.dataset, row.task, row.metric) for row in rows))}
    previous = None

    def rank(row: ResultRow) -> tuple[int, float]:
        value = row.value if row.metric in LOWER_IS_BETTER else -row.value
        return order[row.dataset, row.task, row.metric], value

    for row in sorted(rows, key=rank):
        place = (row.dataset, row.task, row.metric)
        if place != previous:
            table.add_section()
            table.add_row(Text(" ".join(place), style="bold"))
        table.add_row(Text(f"  {row.model}"), f"{row.value:.3f}", f"{row.low:.3f} .. {row.high:.3f}", f"{row.n:,}")
        previous = place
    return table


def print_results(rows: Sequence[ResultRow], console: Console | None = None) -> None:
    """Print the table of rows to a console, by default stdout."""
    print_table(results_table(rows), console)
