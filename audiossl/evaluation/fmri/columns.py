"""Columns of a table of runs, checked and brought to one value for each person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Shaped

from audiossl.errors import DataError
from audiossl.signals.bold.plain_numbers import is_missing, is_number, plain_number
from audiossl.signals.sensors.labels import UNKNOWN_OF_PANDAS

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
    """Rows of each person, people in the order of their first runs.

    Raises:
        DataError: if a run names nobody: runs of nobody would be runs of one person.
    """
    found: dict[str, list[int]] = {}
    for row, name in enumerate(_plain(subjects)):
        if _is_unknown(name):
            raise DataError(f"expected a person for each run (row of features), row {row} names {name!r}")
        found.setdefault(name, []).append(row)
    return found


def one_for_each(rows: Mapping[str, Sequence[int]], values: Column, what: str) -> list[Any]:
    """The value of each person, of any type that a table has.

    Raises:
        DataError: if it is not known, or differs within a person; the message names the person and the values.
    """
    column, found = _plain(values), []
    if unknown := [name for name, own in rows.items() if any(_is_unknown(column[row]) for row in own)]:
        raise DataError(f"expected {what} of everybody, got none of {len(unknown)} people, such as {unknown[0]}: leave them out")
    for name, own in rows.items():
        if odd := [column[row] for row in own if column[row] != column[own[0]]]:
            raise DataError(f"{name} has the {what} {column[own[0]]} and {odd[0]}: expected one for each person")
        found.append(column[own[0]])
    return found


def labels_of_people(rows: Mapping[str, Sequence[int]], labels: Column) -> tuple[Shaped[np.ndarray, "P"], bool]:
    """The label of each person, and whether labels are classes: text is a class, a float is a quantity.

    Raises:
        DataError: if labels are whole numbers, truth values, two whole numbers as floats or fractions as text, which may be
            either; if some are text and others numbers; or if one is not known or differs within a person.
    """
    column = _plain(labels)
    for name, own in rows.items():
        for label in (column[row] for row in own):
            if _is_unknown(label) or (isinstance(label, float) and math.isinf(label)):
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
    found = one_for_each(rows, column, "labels")
    different = sorted(set(found))
    if kinds == {"text"} and all(map(is_number, different)) and any(not plain_number(label).is_integer() for label in different):
        raise DataError(f"labels are numbers as text, such as {different[0]!r}: give quantities as floats")
    if kinds == {"float"} and len(different) == 2 and all(label.is_integer() for label in different):
        raise DataError(
            f"labels are {different[0]:g} and {different[1]:g} alone, which are two classes rather than a quantity: give classes "
            "as text (in a recipe: set kind to class)"
        )
    return np.array(found), kinds == {"text"}


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
    """Values of Python's own types in place of numpy's, None in place of NA and NaT of pandas."""
    found = [value.item() if isinstance(value, np.generic) else value for value in values]
    return [None if type(value).__name__ in UNKNOWN_OF_PANDAS else value for value in found]


def _is_unknown(value: object) -> bool:
    if isinstance(value, str):
        return is_missing(value)
    return value is None or (isinstance(value, float) and math.isnan(value))
