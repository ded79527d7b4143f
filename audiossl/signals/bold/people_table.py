"""A table of people: whose a row is, whatever zeros and prefixes ids have, and what its columns could be."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from audiossl.errors import ConfigError, DataError
from audiossl.options import nearest
from audiossl.signals.sensors.columns import Columns, read_columns

Kind = Literal["class", "quantity", "open", "free"]
IDS = ("participant_id", "participant", "subject_id", "subject", "sub", "sub_id", "subjectid", "person", "person_id", "id")
MOST_CLASSES = 10  # of a column of text that nobody named; more are free text
MOST_CODES = 20  # different whole numbers that may be codes of classes
FEWEST = 5  # people of a class in a column that nobody named


@dataclass(frozen=True)
class PeopleTable:
    """Rows of people.

    Attributes:
        path: of the file.
        key: name of the column of ids.
        columns: names of the others.
        rows: what is known of each person, by id without `sub-`; text, or a number where all of a column are; missing values are
            left out.
    """

    path: Path
    key: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str | float]]

    @classmethod
    def read(cls, path: Path, key: str = "") -> PeopleTable:
        """Read a CSV, TSV or Parquet table of one row a person.

        Args:
            path: of the file.
            key: column of the ids; by default `participant_id`, `subject`, `id` or the like.

        Raises:
            ConfigError: if there is no such column.
            DataError: if the table cannot be read, an id is missing or comes twice.

        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "people.csv"
        >>> _ = path.write_text("subject;age;sex\\nsub-01;31,5;f\\nsub-02;;m\\n")
        >>> PeopleTable.read(path).rows
        {'01': {'age': 31.5, 'sex': 'f'}, '02': {'sex': 'm'}}
        """
        table = read_columns(path)
        key = key or _find_key(table)
        if not table.has(key):
            raise ConfigError(f"{path} has no column '{key}'{nearest(key, table.names)}; it has {', '.join(table.names)}")
        names = [plain_id(name) for name in table.texts(key)]
        if "" in names:
            raise DataError(f"{path}, {table.place(names.index(''))}: no id in column {key}")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{path}: {twice} comes twice in column {key}; expected one row a person")
        rows: dict[str, dict[str, str | float]] = {name: {} for name in names}
        others = tuple(name for name in table.names if name != key)
        for column in others:
            numbers = table.numbers(column).tolist() if table.is_numeric(column) else None
            for name, value in zip(names, numbers or table.texts(column), strict=True):
                if value is not None and value == value:
                    rows[name][column] = value
        return cls(path, key, others, rows)

    def match(self, people: Collection[str]) -> dict[str, str]:
        """Find the row of each person: the same id, or the only one that differs by zeros in front of numbers alone.

        Returns:
            Ids of the table by person; who has no row is not in it.

        Raises:
            DataError: if it is not clear whose a row is, as with 01 and 1 in one table.
        """
        found = {name: plain_id(name) for name in people if plain_id(name) in self.rows}
        rest = [name for name in people if name not in found]
        free = [name for name in self.rows if name not in set(found.values())]
        for name in rest:
            likely = [row for row in self.rows if _without_zeros(row) == _without_zeros(plain_id(name))]
            rivals = [other for other in people if _without_zeros(plain_id(other)) == _without_zeros(plain_id(name))]
            if len(likely) > 1 or (likely and len(rivals) > 1):
                raise DataError(
                    f"{self.path}: whose row is {', '.join(likely)}, with runs of {', '.join(rivals)}? They differ by zeros in "
                    f"front of numbers alone: write ids in the table as in the names of files"
                )
            if likely and likely[0] in free:
                found[name] = likely[0]
        return found

    def kind(self, column: str) -> Kind:
        """What a column can be: a class, a quantity, either (whole numbers that people share), or neither (free text, one value).

        Raises:
            ConfigError: if there is no such column.
        """
        if column not in self.columns:
            raise ConfigError(
                f"{self.path} has no column '{column}'{nearest(column, self.columns)}; it has {', '.join(self.columns)}"
            )
        values = [row[column] for row in self.rows.values() if column in row]
        different = set(values)
        if len(different) < 2:
            return "free"
        if isinstance(values[0], str):
            fewest = min(values.count(value) for value in different)
            return "class" if len(different) <= MOST_CLASSES and fewest >= FEWEST else "free"
        if len(different) == 2:
            return "class"
        numbers = np.array(sorted(different), float)
        may_be_codes = bool((numbers == np.round(numbers)).all()) and 2 * len(numbers) <= min(2 * MOST_CODES, len(values))
        return "open" if may_be_codes else "quantity"

    def choose(self, wanted: Sequence[str], others: Collection[str] = ()) -> tuple[dict[str, Kind], list[str]]:
        """Choose the columns to score.

        Args:
            wanted: names, `age:quantity` or `sex:class` where a column may be either; all that are plain if it is empty.
            others: columns with another use, such as confounds.

        Returns:
            The kind of each chosen column, and a sentence on each that nobody named and that is left out.

        Raises:
            ConfigError: if a column that is named does not exist, has one value, or may be a class as well as a quantity.
        """
        chosen: dict[str, Kind] = {}
        left_out: list[str] = []
        for word in wanted:
            column, _, said = word.partition(":")
            kind = self.kind(column)
            if said not in ("", "class", "quantity"):
                raise ConfigError(f"tasks: expected {column}:class or {column}:quantity, got '{word}'")
            if kind == "open" and not said:
                raise ConfigError(
                    f"tasks: {column} holds whole numbers that people share: say {column}:class or {column}:quantity"
                )
            if len({row[column] for row in self.rows.values() if column in row}) < 2:
                raise ConfigError(f"tasks: everybody has the same {column} in {self.path}: there is nothing to tell apart")
            chosen[column] = "quantity" if said == "quantity" or (kind == "quantity" and not said) else "class"
        for column in self.columns if not wanted else ():
            kind = self.kind(column) if column not in others else "free"
            if kind in ("class", "quantity"):
                chosen[column] = kind
            elif kind == "open":
                left_out.append(f"{column} holds whole numbers that people share: tasks={column}:class or {column}:quantity")
            elif column not in others:
                left_out.append(f"{column} has one value, or classes of fewer than {FEWEST} people: tasks={column} scores it")
        return chosen, left_out


def plain_id(name: str | None) -> str:
    """An id without `sub-` and blanks; empty for none.

    >>> plain_id(" sub-07")
    '07'
    """
    return (name or "").strip().removeprefix("sub-")


def _find_key(table: Columns) -> str:
    by_form = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in table.names}
    for form in IDS:
        if form in by_form:
            return by_form[form]
    raise ConfigError(
        f"{table.path}: which column says whose a row is? It has {', '.join(table.names)}; expected participant_id, subject, id "
        f"or the like: say participant=COLUMN"
    )


def _without_zeros(name: str) -> str:
    """The same text for ids that differ by zeros in front of numbers.

    >>> _without_zeros("s01"), _without_zeros("100")
    ('s1', '100')
    """
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a message, the first few.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
