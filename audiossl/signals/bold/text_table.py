"""A table of numbers in a text file: what of it is a header, what an index, and what is neither without a doubt."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from audiossl.signals.bold.plain_numbers import is_foreign_number, is_missing, is_number, plain_number, plain_numbers

ASK_HEADER = "Say header=True (its first line names the columns) or header=False (it is a line of values)"
ASK_INDEX = "Say index=True (its first column is left out) or index=False (it is a column of values)"
CHANCE = 1e-5  # that a line of values is whole in every column, by the share of whole values, below which it is a header
MANY = 6  # columns from which whole numbers that rise are more likely names than values
FEWEST = 3  # lines from which a first column that counts them is an index: 0, 1 alone may be two values


@dataclass(frozen=True)
class Declared:
    """What the caller knows of a table; None leaves it to be found out.

    Attributes:
        header: whether the first line names the columns.
        index: whether the first column numbers the lines.
        num_lines: lines of values.
    """

    header: bool | None = None
    index: bool | None = None
    num_lines: int | None = None


def read_text_table(path: Path, delimiter: str | None, declared: Declared) -> tuple[Float64[np.ndarray, "R C"], tuple[str, ...]]:
    """Read the values and the names of the columns; no names where there is no header.

    A line of words is a header. A line of numbers is one if it says nothing else: names such as `7_1`, or different whole numbers
    beyond all values, which hardly ever are whole; or if there is one line more than `num_lines`. Where a first line may be
    either, the caller is asked. A first column that counts the lines, 0, 1, 2 or from any other number on, is an index.

    Args:
        path: path of the file.
        delimiter: delimiter between cells; None for blanks. Where it is a comma and the first line has semicolons, these are,
            and numbers may have a decimal comma.
        declared: names that the caller declared.

    Raises:
        ValueError: if the file is no table of numbers, or what is in it is not clear; the message says what to declare.
    """
    # A line of nothing but tabs is no blank line: its values are missing.
    text = path.read_text(encoding="utf-8-sig")
    if delimiter == "," and ";" in text.partition("\n")[0]:  # as spreadsheets write it where numbers have a decimal comma
        text, delimiter = text.replace(",", "."), ";"
    lines = [line for line in text.splitlines() if line.strip(" ")]
    remarks = list(takewhile(lambda line: line.startswith("#"), lines))
    table = _cells(lines[len(remarks) :], delimiter)
    if not table:
        raise ValueError("it is empty")
    names: list[str] = []
    if remarks and declared.header is not False:  # the last may be the header
        last = _cells([remarks[-1].lstrip("#").strip()], delimiter)[0]
        names = last if len(last) == len(table[0]) else []
    has_header = not names and _has_header(table, declared)
    if has_header:
        names, table = table[0], table[1:]
    names, table = _without_last_delimiter(names, table)
    if has_header and table and len(names) == len(table[0]) - 1:  # as R writes row names: without a name for their column
        names = ["", *names]
    lengths = {len(row) for row in table} | ({len(names)} if names else set())
    if not table or len(lengths) != 1:
        raise ValueError("its rows have different lengths: is it cut short?")
    if _has_index(table, names, declared):
        names, table = names[1:], [row[1:] for row in table]
    if has_header:
        _check_names(names, declared)
    first = 1 + len(remarks) + has_header
    return np.array([_numbers(row, first + place) for place, row in enumerate(table)]), tuple(names)


def _cells(lines: list[str], delimiter: str | None) -> list[list[str]]:
    if delimiter is None:
        return [[cell.strip('"') for cell in line.split()] for line in lines]
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]


def _without_last_delimiter(names: list[str], table: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Take away the empty column that a delimiter at the end of every line makes.

    Raises:
        ValueError: if there is no header to distinguish it from a region without values.
    """
    if not table or not all(len(row) > 1 and not row[-1] for row in table):
        return names, table
    if not names:
        raise ValueError(
            "its last column is empty in every line: is that a delimiter at the end of lines, or a region without values? Take "
            "the delimiters away, or write n/a"
        )
    if len(names) == len(table[0]) and names[-1]:
        return names, table
    size = len(table[0]) - 1
    return names[:size], [row[:-1] for row in table]


def _numbers(words: list[str], line: int) -> list[float]:
    try:
        return plain_numbers(words)
    except ValueError as error:
        column = next(place for place, word in enumerate(words, 1) if not is_number(word))
        raise ValueError(f"line {line} (blank ones not counted), column {column}: {error}") from None


def _has_header(table: list[list[str]], declared: Declared) -> bool:
    if declared.header is not None:
        return declared.header
    first, rest = table[0], table[1:]
    if declared.num_lines is not None and len(table) in (declared.num_lines, declared.num_lines + 1):
        return len(table) > declared.num_lines
    if any(not is_number(word) and not is_foreign_number(word) for word in first):
        return True
    inner = first[1:] if _counts_on([row[0] for row in rest]) and not _counts_on([row[0] for row in table]) else first
    if odd := [word for word in inner if not is_number(word)]:
        if len(odd) > 1 and len(odd) == len(inner) == len(set(odd)) and all("_" in word for word in odd):
            return True
        raise ValueError(f"its first line holds {odd[0]!r}, which is neither a plain number nor a word. {ASK_HEADER}")
    return _numbers_are_names([plain_number(word) for word in inner], rest, len(first) - len(inner))


def _numbers_are_names(first: list[float], rest: list[list[str]], skipped: int) -> bool:
    """Whether a first line of numbers names the columns.

    Raises:
        ValueError: if it may or may not.
    """
    known = [number for number in first if np.isfinite(number)]
    is_whole = all(number == round(number) for number in known)
    is_distinct = len(set(known)) == len(first)
    if len(first) > 1 and first in ([*range(len(first))], [*range(1, len(first) + 1)]):
        # pandas heads columns without names so: whoever writes a matrix by its default would get a volume that never was.
        raise ValueError(
            f"its first line counts columns from {first[0]:g} to {first[-1]:g}: a header without names of regions, not a volume. "
            "Write names there, or no header (pandas: header=False, index=False), or say header=True or header=False"
        )
    if len(set(known)) < min(2, len(first)):  # a volume of zeros, or of nothing
        return False
    values = np.array([number for row in rest for number in plain_numbers([word for word in row[skipped:] if is_number(word)])])
    values = values[np.isfinite(values)]
    if not len(values):
        return False
    low, high = values.min(), values.max()
    is_beyond = all(not low <= number <= high for number in known)
    is_fraction = bool((values != np.round(values)).mean() > 0.5)
    share = (1 + int((values == np.round(values)).sum())) / (1 + len(values))
    if is_distinct and is_whole and is_fraction and is_beyond and share ** len(first) < CHANCE:
        return True
    # Labels rise; values of six regions do in one volume of 720.
    rises = is_distinct and first == sorted(first) and ((len(first) > 2 and is_beyond) or (len(first) >= MANY and is_whole))
    if (is_whole and is_fraction and (is_distinct or is_beyond)) or (is_whole and is_beyond and len(first) > 1) or rises:
        shown = ", ".join(f"{number:g}" for number in first[:4])
        raise ValueError(f"its first line, {shown} ..., may be names of columns or values. {ASK_HEADER}")
    return False


def _has_index(table: list[list[str]], names: list[str], declared: Declared) -> bool:
    if declared.index is not None:
        return declared.index
    first = [row[0] for row in table]
    if len(table[0]) < 2:
        return False
    if _counts_on(first) or (names and names[0] == "" and _counts_on(first, 1)):
        return True
    if names and names[0] == "":
        raise ValueError(f"its header has no name in column 1: is that an index? Write the table without it. {ASK_INDEX}")
    if all(is_number(word) for word in first) and len(first) > 4:
        steps = np.diff([plain_number(word) for word in first])
        if np.isfinite(steps).all() and steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0):
            raise ValueError(
                f"its first column rises evenly from {first[0]} to {first[-1]}: is that a time or an index? {ASK_INDEX}"
            )
    return False


def _counts_on(words: list[str], fewest: int = FEWEST) -> bool:
    """Whether words are whole numbers, each by one more than the last."""
    if len(words) < fewest or not all(is_number(word) and not is_missing(word) for word in words):
        return False
    numbers = [plain_number(word) for word in words]
    return numbers[0] == round(numbers[0]) and numbers == [numbers[0] + place for place in range(len(numbers))]


def _check_names(names: list[str], declared: Declared) -> None:
    if "" in names:
        raise ValueError(f"its header has no name in column {names.index('') + 1}: is that an index? Write the table without it")
    if declared.header is None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"its header names {twice} twice: is it a line of values? {ASK_HEADER}")
