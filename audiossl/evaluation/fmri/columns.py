"""Columns of a table of runs, checked and brought to one value for each person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

from audiossl.errors import DataError
from audiossl.signals.bold.plain_numbers import is_missing

Column = Sequence[str | int | float | None] | Shaped[np.ndarray, "..."]


def check_lengths(num_runs: int, columns: Mapping[str, Column | None], confounds: Mapping[str, Column] | None = None) -> None:
    """Say which column has not one value for each run.

    Raises:
        DataError: if one has more or fewer; the message names all that do.
    """
    named = {**columns, **{f"of the confound {name}": values for name, values in (confounds or {}).items()}}
    if wrong := {name: len(values) for name, values in named.items() if values is not None and len(values) != num_runs}:
        found = ", ".join(f"{count} {name}" for name, count in wrong.items())
        raise DataError(f"expected one value for each of {num_runs} runs (rows of features), got {found}")


def rows_of_people(subjects: Column) -> dict[str, list[int]]:
    """Rows of each person, people in the order of their first runs."""
    found: dict[str, list[int]] = {}
    for row, name in enumerate(_plain(subjects)):
        found.setdefault(name, []).append(row)
    return found


def one_for_each(rows: Mapping[str, Sequence[int]], values: Column, what: str) -> list[Any]:
    """The value of each person.

    Raises:
        DataError: if it differs within a person; the message names the person and the values.
    """
    column, found = _plain(values), []
    for name, own in rows.items():
        if odd := [column[row] for row in own if column[row] != column[own[0]]]:
            raise DataError(f"{name} has the {what} {column[own[0]]} and {odd[0]}: expected one for each person")
        found.append(column[own[0]])
    return found


def labels_of_people(rows: Mapping[str, Sequence[int]], labels: Column) -> tuple[Shaped[np.ndarray, "P"], bool]:
    """The label of each person, and whether labels are classes: text is a class, a float is a quantity.

    Raises:
        DataError: if labels are whole numbers or truth values, which may be either; if some are text and others numbers; or if
            one is not known or differs within a person.
    """
    column = _plain(labels)
    for name, own in rows.items():
        for label in (column[row] for row in own):
            if (
                label is None
                or (isinstance(label, str) and is_missing(label))
                or (isinstance(label, float) and not math.isfinite(label))
            ):
                raise DataError(f"{name} has the label {label!r}: leave out who has none")
    kinds = {"text" if isinstance(label, str) else "float" if isinstance(label, float) else "other" for label in column}
    if "other" in kinds:
        odd = next(label for label in column if not isinstance(label, str | float))
        raise DataError(
            f"labels such as {odd!r} may be classes or a quantity: give classes as text and quantities as floats (in a recipe: "
            "set kind to class or quantity)"
        )
    if len(kinds) > 1:
        number, text = (next(label for label in column if isinstance(label, kind)) for kind in (float, str))
        raise DataError(f"labels are text for some and a number for others, such as {text!r} and {number}: give all as one")
    return np.array(one_for_each(rows, column, "labels")), kinds == {"text"}


def confounds_of_people(rows: Mapping[str, Sequence[int]], confounds: Mapping[str, Column]) -> Float64[np.ndarray, "P C"]:
    """Confounds of each person, a column each.

    Measurements of runs, such as `mean_fd`, are averaged; whole numbers have to agree.

    Raises:
        DataError: if one is not known or no number, or if a whole number, such as a sex or an age, differs within a person.
    """
    table = []
    for what, values in confounds.items():
        column = _plain(values)
        for name, own in rows.items():
            if odd := [column[row] for row in own if not isinstance(column[row], int | float) or not math.isfinite(column[row])]:
                raise DataError(
                    f"{name} has the confound {what} {odd[0]!r}: expected a number; leave out people of whom it is not known"
                )
        if all(float(value).is_integer() for value in column):
            one_for_each(rows, column, f"confound {what}")
        table.append([float(np.mean([column[row] for row in own])) for own in rows.values()])
    return np.array(table, np.float64).reshape(len(confounds), len(rows)).T


def _plain(values: Column) -> list[Any]:
    """Values of Python's own types in place of numpy's."""
    return [value.item() if isinstance(value, np.generic) else value for value in values]
