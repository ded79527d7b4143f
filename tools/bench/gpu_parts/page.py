"""The Markdown page that is made of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_parts.goals import judge


def number_text(value: float | None) -> str:
    """Three digits, or all of a large number before the point.

    >>> number_text(12345.6), number_text(0.01234), number_text(None)
    ('12,346', '0.0123', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a table: a row a case, a column a metric; notes behind their values."""
    metrics, cases = (list(dict.fromkeys(row[key] for row in rows)) for key in ("metric", "case"))
    cells = {(row["case"], row["metric"]): _cell(row) for row in rows}
    lines = [f"| | {' | '.join(metrics)} |", f"|---|{'---|' * len(metrics)}"]
    return lines + [f"| {case} | {' | '.join(cells.get((case, metric), '') for metric in metrics)} |" for case in cases]


def _cell(row: Mapping[str, Any]) -> str:
    value, note = number_text(row["value"]), str(row.get("note", "")).replace("|", "/")
    return f"{value} ({note})" if value and note else value or note


def _origin(about: Mapping[str, Any]) -> str:
    built = f"torch {about['torch']}, CUDA {about['cuda']}, {about['cores']} CPU cores"
    return f"`{about['command']}`; commit {about['commit']}; {built}."


def page_of(ended: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    """The page of all parts that ended, in the order of `titles`."""
    parts = [name for name in titles if name in ended]
    first = ended[parts[0]]["about"] if parts else {}
    lines = [f"# {first.get('device', 'No part has ended')}", ""]
    if any(ended[name]["about"]["short"] for name in parts):
        lines += ["**Short form: it shows that everything runs, and says nothing of speed.**", ""]
    elif parts and first["kind"] == "cuda":
        lines += [*(f"- {goal}" for goal in judge({name: ended[name]["rows"] for name in parts})), ""]
    made = ""
    for name in parts:
        before, made = made, _origin(ended[name]["about"])
        lines += [f"## {titles[name]}", "", *([] if made == before else [made, ""])]
        lines += [*table_of(ended[name]["rows"]), "", f"Measured in {ended[name]['seconds']:.0f} s.", ""]
    return "\n".join(lines)
