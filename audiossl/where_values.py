"""How `audiossl.where` compares a cell of a table with another value, whatever kind of file the cell came from."""

from __future__ import annotations

import datetime
import math
import numbers
import operator
from collections.abc import Callable
from typing import Any

from audiossl.errors import ConfigError

ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
SYMBOLS = ("==", "!=", *ORDERS)
Plain = str | int | float | bool | None


def plain(value: object) -> Plain:
    """A cell as text, number, truth or None: empty text and NaN are None, dates text, and what is neither is its `repr`.

    >>> plain(""), plain(float("nan")), plain("a"), plain(datetime.date(2024, 5, 1))
    (None, None, 'a', '2024-05-01')
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value or None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:  # a scalar of numpy
        return plain(value.item())  # type: ignore[attr-defined]
    try:
        number = float(value)  # type: ignore[arg-type]  # of numbers, Decimal included; anything else raises
    except (TypeError, ValueError):
        return repr(value)
    return None if math.isnan(number) else number


def compare(left: Plain, symbol: str, right: Plain, place: str) -> bool:
    """Compare two values; where one is a number or a truth the other is read as one, as cells of CSV files are text.

    Missing values equal each other alone, and are in no order. A text that is no number is unequal to every number.

    Args:
        left, right: made by `plain`.
        symbol: one of SYMBOLS.
        place: what is compared, for messages.

    Raises:
        ConfigError: if the two have no order, as text and number or two truths.

    >>> compare("12.0", "==", 12, "age"), compare(None, "<", 3, "age"), compare(None, "!=", 3, "age")
    (True, False, True)
    """
    if left is None or right is None:
        return (symbol == "==") == (left is right) if symbol in ("==", "!=") else False
    first, second = _alike(left, right)
    if symbol in ("==", "!="):
        return (first == second) == (symbol == "==")
    if isinstance(first, bool) or isinstance(first, str) != isinstance(second, str):
        raise ConfigError(f"{place}: {left!r} and {right!r} have no order; expected two numbers or two texts around {symbol}")
    return ORDERS[symbol](first, second)


def _alike(left: Plain, right: Plain) -> tuple[Plain, Plain]:
    """Two values as ones of a kind, where the text of one can be read as the kind of the other."""
    if isinstance(left, str) != isinstance(right, str):
        text, other = (left, right) if isinstance(left, str) else (right, left)
        read = _as_truth(text) if isinstance(other, bool) else _as_number(text)
        same = text if read is None else read
        return (same, other) if isinstance(left, str) else (other, same)
    if isinstance(left, bool) != isinstance(right, bool):  # 1 in a column of truths, or the other way round
        return int(left), int(right)  # type: ignore[arg-type]
    return left, right


def _as_truth(text: Plain) -> bool | None:
    return {"true": True, "false": False, "1": True, "0": False}.get(str(text).strip().lower())


def _as_number(text: Plain) -> float | int | None:
    try:
        return int(str(text))
    except ValueError:
        pass
    try:
        number = float(str(text))
    except ValueError:
        return None
    return None if math.isnan(number) else number
