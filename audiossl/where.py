"""Conditions on the columns of a table, as `--where "speaker == 'a' and age < 30"`: comparisons alone, nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
from jaxtyping import Bool

from audiossl.errors import ConfigError
from audiossl.options import nearest
from audiossl.where_values import SYMBOLS, Plain, compare, plain

if TYPE_CHECKING:
    import pyarrow

DEEPEST = 50  # parentheses within each other
TOKENS = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w))
    |`(?P<quoted>[^`]+)`
    |(?P<word>[^\W\d]\w*(?:\.\w+)*)
    |(?P<sign>==|!=|<=|>=|<|>|[()\[\],]))""",
    re.VERBOSE,
)
NAMED_VALUES: dict[str, Plain] = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
RESERVED = ("and", "or", "not", "in")
EXAMPLE = "speaker == 'a' and age < 30"
Row = TypeVar("Row", bound=Mapping[str, object])


@dataclass(frozen=True)
class Column:
    """A column that is named in a condition."""

    name: str


Operand = Column | Plain


@dataclass(frozen=True)
class Comparison:
    """A comparison of a column with a value, with values of a list (`in`), or with another column."""

    left: Operand
    symbol: str
    right: Operand | tuple[Plain, ...]

    def holds(self, get: Callable[[str], Plain]) -> bool:
        """Whether it holds where columns have the values that `get` returns."""
        left = get(self.left.name) if isinstance(self.left, Column) else self.left
        if isinstance(self.right, tuple):
            return any(compare(left, "==", value, self.place) for value in self.right) == (self.symbol == "in")
        right = get(self.right.name) if isinstance(self.right, Column) else self.right
        return compare(left, self.symbol, right, self.place)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are compared."""
        return [side.name for side in (self.left, self.right) if isinstance(side, Column)]

    @property
    def place(self) -> str:
        """What is compared, for messages."""
        return f"where, column {' and '.join(self.columns)}"


@dataclass(frozen=True)
class Junction:
    """Conditions of which all (`and`), one at least (`or`) or none (`not`) must hold."""

    word: str
    parts: tuple[Condition, ...]


Condition = Comparison | Junction


class Where:
    """A condition on rows; `parse_where` makes one.

    Attributes:
        text: condition as it was written.
        columns: names of the columns that it looks at, in the order in which they come.
    """

    def __init__(self, text: str, condition: Condition) -> None:
        self.text = text
        self.columns = list(dict.fromkeys(name for one in _comparisons(condition) for name in one.columns))
        self._right = {one.right.name for one in _comparisons(condition) if isinstance(one.right, Column)}
        self._condition = condition

    def __repr__(self) -> str:
        return f"Where({self.text!r})"

    def __call__(self, row: Mapping[str, object]) -> bool:
        """Whether the condition holds for a row.

        Raises:
            ConfigError: if the row lacks a column, or two values have no order.
        """
        self.check(row)
        return self._holds(row)

    def check(self, columns: Iterable[str]) -> None:
        """Compare the columns of the condition with those of a table.

        Raises:
            ConfigError: if the table lacks one; the message names the nearest.
        """
        known = list(columns)
        for name in self.columns:
            if name not in known:
                listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
                quotes = f"; is the text '{name}' meant? It stands in quotes" if name in self._right else ""
                raise ConfigError(f"where: no column is called '{name}'{nearest(name, known)}; the columns are {listed}{quotes}")

    def keep(self, rows: Sequence[Row]) -> list[Row]:
        """Rows for which the condition holds; a row may lack a column that another has, which then is null.

        Raises:
            ConfigError: if no row has a column, or two values have no order.
        """
        if rows:
            self.check(dict.fromkeys(name for row in rows for name in row))
        return [row for row in rows if self._holds(row)]

    def mask(self, table: pyarrow.Table) -> Bool[np.ndarray, "N"]:
        """For each row of an Arrow table, whether the condition holds; each different value of a column is compared once.

        Raises:
            ConfigError: if the table lacks a column, or two values have no order.
        """
        self.check(table.column_names)
        return _mask(self._condition, table)

    def _holds(self, row: Mapping[str, object]) -> bool:
        return _holds(self._condition, lambda name: plain(row.get(name)))


def parse_where(text: str) -> Where:
    """Parse a condition on columns: comparisons (==, !=, <, <=, >, >=, in [...], not in [...]) joined by and, or, not.

    A word is a column (in backticks where its name has spaces), text stands in quotes, and numbers, true, false and null are
    values. Cells of text are read as numbers next to a number. Empty cells and NaN are null: `x == null` finds them, every other
    comparison but `!=` and `not in` leaves them out. A condition calls nothing and evaluates nothing.

    Raises:
        ConfigError: if the text is no such condition; the message says at which character.

    >>> where = parse_where("speaker in ['a', 'b'] and not seconds < 2")
    >>> where({"speaker": "a", "seconds": "2.5"}), where({"speaker": "c", "seconds": 4})
    (True, False)
    """
    parser = _Parser(text)
    condition = parser.alternatives(0)
    if parser.kind != "end":
        parser.fail("and, or, or the end")
    return Where(text, condition)


class _Parser:
    """Walks over the tokens of a condition; `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str) -> None:
        self.text, self.end = text, 0
        self.kind, self.token, self.at = "", "", 0
        self.advance()

    def advance(self) -> None:
        """Read the next token."""
        rest = self.text[self.end :]
        self.at = self.end + len(rest) - len(rest.lstrip())
        if not rest.strip():
            self.kind, self.token = "end", ""
            return
        found = TOKENS.match(self.text, self.end)
        if found is None:
            self.kind, self.token = "odd", self.text[self.at]
            return
        self.kind, self.end = str(found.lastgroup), found.end()
        self.token = found[self.kind]
        if self.kind == "word" and self.token.lower() in RESERVED:
            self.kind, self.token = "sign", self.token.lower()

    def take(self, *signs: str) -> str | None:
        """Step over one of these signs, if it is the next token."""
        if self.kind != "sign" or self.token not in signs:
            return None
        taken = self.token
        self.advance()
        return taken

    def fail(self, expected: str) -> NoReturn:
        """Say what was expected here, what came, and where."""
        came = f"'{self.token}'" if self.kind != "end" else "the end"
        hint = ""
        if self.token == "=" or self.text[self.at :].startswith("="):
            hint = ": equality is written =="
        elif self.token in "&|~" and self.token:
            hint = ": write and, or, not"
        elif self.token in ("'", '"', "`"):
            hint = ", which nothing closes"
        raise ConfigError(
            f'where: expected {expected}, got {came} at character {self.at + 1} of "{self.text}"{hint}. Example: {EXAMPLE}'
        )

    def alternatives(self, depth: int) -> Condition:
        parts = [self.conjunction(depth)]
        while self.take("or"):
            parts.append(self.conjunction(depth))
        return parts[0] if len(parts) == 1 else Junction("or", tuple(parts))

    def conjunction(self, depth: int) -> Condition:
        parts = [self.term(depth)]
        while self.take("and"):
            parts.append(self.term(depth))
        return parts[0] if len(parts) == 1 else Junction("and", tuple(parts))

    def term(self, depth: int) -> Condition:
        if depth > DEEPEST:
            self.fail(f"at most {DEEPEST} parentheses within each other")
        if self.take("not"):
            return Junction("not", (self.term(depth + 1),))
        if self.take("("):
            inside = self.alternatives(depth + 1)
            if not self.take(")"):
                self.fail("a closing parenthesis, and or or")
            return inside
        return self.comparison()

    def comparison(self) -> Condition:
        start = self.at
        left = self.operand("a column")
        links: list[Condition] = []
        while (symbol := self.take(*SYMBOLS, "in", "not")) is not None:
            if symbol == "not":
                symbol = "not in" if self.take("in") else self.fail("in")
            right = self.listed() if symbol in ("in", "not in") else self.operand("a column or a value")
            links.append(link := Comparison(left, symbol, right))
            if not link.columns:
                self.kind, self.token, self.at = "value", self.text[start : self.at].strip(), start
                self.fail("a column on one side of each comparison (text stands in quotes, a column does not)")
            if isinstance(right, tuple):
                break
            left = right
        if not links:
            after = f" after the column '{left.name}'" if isinstance(left, Column) else ""
            self.fail(f"a comparison (==, !=, <, <=, >, >=, in, not in){after}")
        return links[0] if len(links) == 1 else Junction("and", tuple(links))

    def operand(self, expected: str) -> Operand:
        kind, token = self.kind, self.token
        if kind == "quoted" or (kind == "word" and token not in NAMED_VALUES):
            self.advance()
            if self.kind == "sign" and self.token == "(":
                self.fail(f"a comparison after the column '{token}' (functions are not called)")
            return Column(token)
        return self.value(expected)

    def value(self, expected: str) -> Plain:
        kind, token = self.kind, self.token
        if kind == "text":
            self.advance()
            return plain(re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL))
        if kind == "number":
            self.advance()
            return float(token) if set(token) & set(".eE") else int(token)
        if kind != "word" or token not in NAMED_VALUES:
            self.fail(expected)
        self.advance()
        return NAMED_VALUES[token]

    def listed(self) -> tuple[Plain, ...]:
        if not (opened := self.take("[", "(")):
            self.fail("a list such as ['a', 'b'] after in")
        closing = "]" if opened == "[" else ")"
        values: list[Plain] = []
        while not self.take(closing):
            if values and not self.take(","):
                self.fail(f"a comma or {closing}")
            values.append(self.value("text in quotes, a number, true, false or null"))
        return tuple(values)


def _comparisons(condition: Condition) -> list[Comparison]:
    if isinstance(condition, Comparison):
        return [condition]
    return [one for part in condition.parts for one in _comparisons(part)]


def _holds(condition: Condition, get: Callable[[str], Plain]) -> bool:
    if isinstance(condition, Comparison):
        return condition.holds(get)
    results = (_holds(part, get) for part in condition.parts)
    return all(results) if condition.word == "and" else any(results) != (condition.word == "not")


def _mask(condition: Condition, table: pyarrow.Table) -> Bool[np.ndarray, "N"]:
    if isinstance(condition, Junction):
        if condition.word == "not":
            return ~_mask(condition.parts[0], table)
        result = np.full(table.num_rows, condition.word == "and")
        for part in condition.parts:  # a later part is asked only about rows that the earlier ones leave open
            still_open = np.flatnonzero(result == (condition.word == "and"))
            result[still_open] = _mask(part, table.take(still_open))
        return result
    coded = [_coded(table.column(name)) for name in condition.columns]
    # One number for each combination of values that occurs: so each is compared once.
    sizes = [len(values) for values, _ in coded]
    combined, places = np.unique(np.ravel_multi_index([codes for _, codes in coded], sizes), return_inverse=True)
    found = np.zeros(len(combined), bool)
    for number, code in enumerate(combined):
        row = {
            name: values[at]
            for name, (values, _), at in zip(condition.columns, coded, np.unravel_index(code, sizes), strict=True)
        }
        found[number] = condition.holds(row.__getitem__)
    return found[places.reshape(-1)]


def _coded(column: pyarrow.ChunkedArray) -> tuple[list[Plain], np.ndarray]:
    """The different values of a column, and for each row which of them it has; the last stands for null."""
    import pyarrow

    if pyarrow.types.is_nested(column.type):
        return [*map(plain, column.to_pylist()), None], np.arange(len(column))
    coded = column if pyarrow.types.is_dictionary(column.type) else column.dictionary_encode()
    coded = coded.unify_dictionaries().combine_chunks()
    if isinstance(coded, pyarrow.ChunkedArray):  # of no rows
        return [None], np.zeros(0, np.int64)
    values = [plain(value) for value in coded.dictionary.to_pylist()]
    codes = coded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int64)
    return [*values, None], codes
