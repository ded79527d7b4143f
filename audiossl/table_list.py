"""A list of records that shows itself as a table, in a prompt as in a notebook."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)
else:
    Record = TypeVar("Record")


class TableList(list[Record]):
    """A list of dataclasses with a column for each of their fields that some record fills; a list in all else.

    >>> @dataclasses.dataclass
    ... class Word:
    ...     text: str
    ...     seconds: float
    >>> print(TableList([Word("one", 0.5), Word("seven", 0.25)]))
    text   seconds
    one    0.5
    seven  0.25
    """

    def __repr__(self) -> str:
        names, rows = self._table()
        lines = [names, *rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines) or "[]"

    def _repr_html_(self) -> str:
        names, rows = self._table()
        if not rows:
            return "<p>nothing</p>"
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Names of columns, and the cells of each record."""
        records = [_values(record) for record in self]
        names = dict.fromkeys(name for record in records for name, value in record.items() if value is not None)
        return list(names), [[_shown(record.get(name)) for name in names] for record in records]


def _values(record: DataclassInstance) -> dict[str, object]:
    """The fields of a record by name; what is a mapping gives a column for each of its keys."""
    found: dict[str, object] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        found |= {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {field.name: value}
    return found


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(round(value, 4) if isinstance(value, float) else value)
