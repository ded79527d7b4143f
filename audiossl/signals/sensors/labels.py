"""What a label may be: a class as text, a quantity as a float, or None where it is not known. Nothing is guessed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

import numpy as np

from audiossl.errors import DataError

Label = str | float | None
_MOST_CODES = 30  # whole numbers from minus this one up to it may be codes of classes
LabelKind = Literal["auto", "class", "quantity"]
_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*")
_UNKNOWN_AS_TEXT = frozenset({"nan", "<na>", "nat", "n/a", "#n/a"})  # what a column with gaps becomes as text
UNKNOWN_OF_PANDAS = frozenset({"NAType", "NaTType"})  # by name, for pandas is not needed to read labels


def as_label(value: object) -> Label:
    """Return a label as plain text, a plain float, or None for what is not known (None, NaN, and NA and NaT of pandas).

    Raises:
        DataError: for whole numbers and booleans, which may be codes of classes or quantities, and for all else that is neither.

    >>> as_label("walk"), as_label(71.5), as_label(float("nan"))
    ('walk', 71.5, None)
    """
    if value is None or type(value).__name__ in UNKNOWN_OF_PANDAS:
        return None
    if isinstance(value, str):
        if not value.strip() or value.strip().casefold() in _UNKNOWN_AS_TEXT:
            raise DataError(f"got {value!r} for a class: give None where the label is not known")
        return str(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isinf(number):
            raise DataError(f"expected a finite quantity, got {number}: give None where it is not known")
        return None if math.isnan(number) else number
    raise DataError(
        f"got {value!r} ({type(value).__name__}), which may be a class or a quantity: write {str(_text(value))!r} for a class"
        + (f", {float(value)!r} for a quantity" if isinstance(value, int | np.integer) else ", a float for a quantity")
    )


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def kind_of(labels: Iterable[Label]) -> str | None:
    """`class` if all known labels are text, `quantity` if all are numbers, None if none is known.

    Raises:
        DataError: if there are both; one of each is named.
    """
    text: str | None = None
    number: float | None = None
    for label in labels:
        if isinstance(label, str):
            text = label
        elif label is not None:
            number = label
        if text is not None and number is not None:
            raise DataError(f"expected labels that are all names or all numbers, got {text!r} and {number!r}")
    return "class" if text is not None else None if number is None else "quantity"


def declared(label: Label, kind: LabelKind) -> Label:
    """A label as what a recipe declares it to be: the number of a class becomes its name, a quantity that was text a number.

    Raises:
        DataError: if text that is declared a quantity is no number.

    >>> declared(2.0, "class"), declared("71.5", "quantity")
    ('2', 71.5)
    """
    if label is None or kind == "auto":
        return label
    if kind == "class":
        return label if isinstance(label, str) else f"{label:g}"
    try:
        return as_label(float(label))
    except ValueError as error:
        raise DataError(f"expected a quantity, as is declared, got {label!r}") from error


def ask_where_kind_is_open(labels: Iterable[Label]) -> None:
    """Refuse labels that may be classes as well as quantities, for want of a declaration.

    They are text that is all numbers and not all whole ones, as quantities are that were never converted; and small whole numbers
    only, as codes of classes are that a table with gaps turned into floats.

    Raises:
        DataError: that says how to declare what they are.
    """
    known = [label for label in labels if label is not None]
    names = [label for label in known if isinstance(label, str)]
    numbers = [label for label in known if not isinstance(label, str)]
    what = ""
    if names and all(map(_NUMBER.fullmatch, names)) and not all(map(str.isdecimal, names)):
        what = f"numbers as text, such as {next(name for name in names if not name.isdecimal())!r}"
    elif numbers and all(abs(number) <= _MOST_CODES and number == int(number) for number in numbers):
        what = f"whole numbers from {min(numbers):g} to {max(numbers):g}"
    if what:
        raise DataError(
            f"labels are {what}: declare in the recipe whether they are classes, task.kind=class, or quantities, "
            f"task.kind=quantity"
        )
