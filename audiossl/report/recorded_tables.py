"""Recorded results as the tables of a README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from audiossl.errors import StoreError
from audiossl.files import read_jsonl
from audiossl.report.recorded import KEY, ORIGIN
from audiossl.report.results import TaskKey, is_share, name_of, shown, shown_interval


def read_recorded(file: Path) -> list[dict[str, Any]]:
    """Rows of a `results.jsonl`, of each dataset, task, model and metric the one that was recorded last.

    Raises:
        StoreError: if the file is missing, or a row lacks what rows have.
    """
    if not file.is_file():
        raise StoreError(f"{file} is missing: write it with `python tools/record_results.py RUN {file}`")
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, row in enumerate(read_jsonl(file), start=1):
        if lacking := [name for name in (*ORIGIN, *KEY, "value", "low", "high", "n") if name not in row]:
            raise StoreError(f"{file}: row {number} has no {', '.join(lacking)}; record the run again")
        key = tuple(row[name] for name in KEY)
        latest.pop(key, None)
        latest[key] = row
    return list(latest.values())


def recorded_tables(rows: Sequence[dict[str, object]], metrics: Sequence[str] = ()) -> str:
    """Rows as Markdown: a table for each dataset, a row for each model, a column for each task and metric.

    Args:
        rows: rows of `read_recorded`.
        metrics: metrics that are shown; all by default.
    """
    known = cast(Sequence[dict[str, Any]], rows)
    kept = [row for row in known if not metrics or row["metric"] in metrics]
    return "\n".join(
        _table(name, [row for row in kept if row["dataset"] == name]) for name in dict.fromkeys(row["dataset"] for row in kept)
    )


def _table(dataset: str, rows: Sequence[dict[str, Any]]) -> str:
    tasks: list[TaskKey] = list(dict.fromkeys((dataset, row["task"], row["metric"]) for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    at = {(row["model"], row["task"], row["metric"]): row for row in rows}
    lines = [
        f"| {dataset} | {' | '.join(f'{task}, {name_of(metric)}' for _, task, metric in tasks)} |",
        f"|---|{'---|' * len(tasks)}",
    ]
    for model in models:
        cells = [_cell(at.get((model, task, metric))) for _, task, metric in tasks]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    origins = dict.fromkeys((row["commit"], str(row["seed"] or "").strip("[]"), row["machine"]) for row in rows)
    said = "; ".join(
        f"commit {commit[:7] if commit else 'not known'}{seed and f', seed {seed}'}{machine and f', {machine}'}"
        for commit, seed, machine in origins
    )
    units = " in per cent" if all(is_share(metric) for _, _, metric in tasks) else ""
    note = f"Values{units} with [95 % intervals] (over so many groups); without brackets there is no interval. {said}."
    return "\n".join([*lines, "", note, ""])


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    metric = row["metric"]
    return f"{shown(metric, row['value'])} {shown_interval(metric, row['low'], row['high'], row.get('groups'))}".strip()
