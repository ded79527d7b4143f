"""Rows of `results.json`: what was measured, with its confidence interval."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from audiossl.console import print_table
from audiossl.errors import StoreError, import_extra
from audiossl.evaluation.interval import Interval
from audiossl.files import read_json, write_json

if TYPE_CHECKING:
    import pandas

HTML = '<pre style="font-family:monospace;line-height:1.2">{code}</pre>'
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


GROUP_SCORES = "group_scores.json"
GroupScores = Mapping[str, tuple[float | None, float]]
"""By group: the metric in it alone (None where it is not defined there), and how many items it holds."""


@dataclass(frozen=True)
class ResultRow:
    """One number of one model on one task; rates are fractions.

    Attributes:
        low: lower end of the 95 % interval; None where there is no interval.
        high: upper end.
        n: how many frames or clips were scored.
        groups: over how many groups (speakers, subjects) the interval is; None in older files, which do not say it.
        scores: scores of each group, where they are known; they are written next to the rows, not in them.

    >>> row = ResultRow("mine", "word", "student", "accuracy", 0.8, 0.7, 0.9, n=100)
    >>> row.value, row.low, row.high
    (0.8, 0.7, 0.9)
    """

    dataset: str
    task: str
    model: str
    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    groups: int | None = None
    scores: GroupScores | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        numbers = [number for number in (self.value, self.low, self.high) if number is not None]
        if self.value is None or not all(map(math.isfinite, numbers)) or (self.low is None) != (self.high is None):
            raise ValueError(f"expected a finite number with two ends or none in a result, got {self}")
        if self.groups is not None and (not isinstance(self.groups, int) or self.groups < 0):
            raise ValueError(f"expected the number of groups of a result, got {self.groups!r}")

    @classmethod
    def of(
        cls, dataset: str, task: str, model: str, metric: str, found: Interval, n: int, scores: GroupScores | None = None
    ) -> ResultRow:
        """The row of a value with its interval."""
        return cls(dataset, task, model, metric, found.value, found.low, found.high, n, found.groups, scores)

    @property
    def plain(self) -> dict[str, str | int | float | None]:
        """The row as it stands in `results.json`; the number of groups only where it is known."""
        names = NAMES if self.groups is None else (*NAMES, "groups")
        return {name: getattr(self, name) for name in names}


NAMES = tuple(item.name for item in fields(ResultRow) if item.default is MISSING)


class Results(tuple[ResultRow, ...]):
    """Rows of results, as a table in a notebook and as a pandas frame where that is wanted.

    >>> rows = Results([ResultRow("digits", "speaker", "logmel", "accuracy", 0.9, 0.8, 1.0, 50)])
    >>> rows.where(task="speaker")[0].value
    0.9
    >>> rows.to_pandas().columns.tolist()
    ['dataset', 'task', 'model', 'metric', 'value', 'low', 'high', 'n']
    """

    def where(self, **values: str) -> Results:
        """Rows with these values, such as `task="speaker", model="student"`."""
        return Results(row for row in self if all(getattr(row, name) == value for name, value in values.items()))

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a frame, with the columns of `results.json`.

        Raises:
            MissingExtraError: if pandas is not installed.
        """
        return import_extra("pandas", "pandas").DataFrame([row.plain for row in self], columns=list(NAMES))

    def __repr__(self) -> str:
        console = Console(width=120, file=io.StringIO(), record=True)
        console.print(results_table(self))
        return console.export_text()

    def _repr_html_(self) -> str:
        console = Console(width=120, file=io.StringIO(), record=True)
        console.print(results_table(self))
        return console.export_html(inline_styles=True, code_format=HTML)


def write_results(path: Path, rows: Sequence[ResultRow]) -> None:
    """Write `results.json`, a list of rows, by rename, and next to it `group_scores.json`, what each group scored alone.

    >>> row = ResultRow("mine", "word", "student", "accuracy", 0.8, 0.7, 0.9, n=100)
    >>> write_results(Path("results.json"), [row])
    >>> read_results(Path("results.json")) == [row]
    True
    """
    known = [{**{name: getattr(row, name) for name in NAMES[:4]}, "scores": row.scores} for row in rows if row.scores is not None]
    write_json(path.with_name(GROUP_SCORES), known)
    write_json(path, [row.plain for row in rows])


def read_results(path: Path) -> list[ResultRow]:
    """Read `results.json`, with the scores of groups where `group_scores.json` lies next to it.

    Raises:
        StoreError: if the file is missing or does not hold a list of rows.

    >>> row = ResultRow("mine", "word", "student", "accuracy", 0.8, 0.7, 0.9, n=100)
    >>> write_results(Path("results.json"), [row])
    >>> read_results(Path("results.json"))[0].model
    'student'
    """
    try:
        rows: list[dict[str, Any]] = read_json(path)
        found = [ResultRow(**{name: row[name] for name in NAMES}, groups=row.get("groups")) for row in rows]
        beside = path.with_name(GROUP_SCORES)
        scores = {
            tuple(row[name] for name in NAMES[:4]): {group: (value, count) for group, (value, count) in row["scores"].items()}
            for row in (read_json(beside) if beside.is_file() else ())
        }
        return [replace(row, scores=scores.get((row.dataset, row.task, row.model, row.metric))) for row in found]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"expected a list of results with {', '.join(NAMES)} in {path}, could not read it: {error!r}") from error


def results_table(rows: Sequence[ResultRow]) -> Table:
    """Lay rows out as a table, best first below the name of each dataset, task and metric.

    >>> row = ResultRow("mine", "word", "student", "accuracy", 0.8, 0.7, 0.9, n=100)
    >>> results_table([row]).row_count > 0
    True
    """
    table = Table()
    table.add_column("model", overflow="fold")
    for name in ("value", "95 % (groups)", "n"):
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
        ends = "none" if row.low is None or row.high is None else f"{row.low:.3f} .. {row.high:.3f}"
        groups = "" if row.groups is None else f" ({row.groups:,})"
        table.add_row(Text(f"  {row.model}"), f"{row.value:.3f}", ends + groups, f"{row.n:,}")
        previous = place
    return table


def print_results(rows: Sequence[ResultRow], console: Console | None = None) -> None:
    """Print the table of rows to a console, by default stdout.

    >>> row = ResultRow("mine", "word", "student", "accuracy", 0.8, 0.7, 0.9, n=100)
    >>> print_results([row])  # doctest: +SKIP
    """
    print_table(results_table(rows), console)
