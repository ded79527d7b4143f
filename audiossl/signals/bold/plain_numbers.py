"""Numbers in text as tables of this field write them; Python's own `float` takes more than that for a number."""

from __future__ import annotations

import re

MISSING = frozenset({"", "n/a", "na", "nan", "-nan"})
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# What people mean as a number, in a way of writing that says something else to a program: 1_000, 1,5, 1 000, 0x1f, inf, 1.0D+03.
PLAIN = str.maketrans("", "", "0123456789+-.eE")  # of these characters `float` reads what `NUMBER` matches, and nothing else
FOREIGN = re.compile(
    r"[+\-\u2212]?(0[xX][0-9a-fA-F]+|inf(inity)?|[\d.,_'\u00a0\u2009\u202f ]*\d[\d.,_' ]*([dDeE][+-]?\d+)?)", re.I
)


def is_missing(word: str) -> bool:
    """Whether a cell says that its value is not known."""
    return word.strip().lower() in MISSING


def is_number(word: str) -> bool:
    """Whether a cell is a number with a decimal point, in digits 0 to 9, or says that its value is missing."""
    return is_missing(word) or NUMBER.fullmatch(word.strip()) is not None


def is_foreign_number(word: str) -> bool:
    """Whether a cell looks like a number that is written in another way: `1,5`, `1_000`, `0x1f`, `inf`."""
    return not is_number(word) and FOREIGN.fullmatch(word.strip()) is not None


def plain_number(word: str) -> float:
    """Read a number; a missing one is NaN.

    Raises:
        ValueError: for any other text, such as a decimal comma, `1_000`, `inf` or a number in base 16.

    >>> plain_number("-1.5e3"), plain_number("n/a")
    (-1500.0, nan)
    """
    if is_missing(word):
        return float("nan")
    if NUMBER.fullmatch(word.strip()) is None:
        raise ValueError(f"expected a number with a decimal point, such as -0.25 or 1e-3, or n/a, got {word!r}")
    return float(word)


def plain_numbers(words: list[str]) -> list[float]:
    """Read a row of numbers; errors are those of `plain_number`."""
    if "".join(words).translate(PLAIN) == "" and "" not in words:
        try:
            return [float(word) for word in words]
        except ValueError:  # such as 1-2, of which the message is below
            pass
    return [plain_number(word) for word in words]
