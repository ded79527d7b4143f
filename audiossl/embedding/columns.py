"""Columns of one's own in the index of a store: what is known about a recording, next to where its frames are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from audiossl.where_values import Plain

if TYPE_CHECKING:
    import pyarrow

PREFIX = "columns."  # in front of their names in the index, which has columns of its own


def to_array(values: Sequence[Plain]) -> pyarrow.Array:
    """Make a column of values; where they are of several kinds that do not mix, it is one of text.

    >>> to_array([1, None, 2.5]).to_pylist(), to_array([1, "a", None]).to_pylist()
    ([1.0, None, 2.5], ['1', 'a', None])
    """
    import pyarrow

    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} or len(kinds) == 1:
        try:
            return pyarrow.array(values)
        except (pyarrow.ArrowException, OverflowError):  # beyond 64 bits
            pass
    return pyarrow.array([None if value is None else str(value) for value in values], pyarrow.string())


def stack(tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    """Lay tables below each other; a column that one lacks is null there, and one of different kinds becomes text."""
    import pyarrow

    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except pyarrow.ArrowException:
        kinds: dict[str, set[str]] = {}
        for field in (field for table in tables for field in table.schema):
            kinds.setdefault(field.name, set()).add(str(field.type))
        mixed = {name for name, found in kinds.items() if len(found - {"null"}) > 1}
        return pyarrow.concat_tables([_as_text(table, mixed) for table in tables], promote_options="permissive")


def own_names(names: Iterable[str]) -> list[str]:
    """Names of one's own columns in an index, without their prefix."""
    return [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]


def _as_text(table: pyarrow.Table, names: set[str]) -> pyarrow.Table:
    import pyarrow

    for place, name in enumerate(table.column_names):
        if name in names:
            texts = [None if value is None else str(value) for value in table.column(name).to_pylist()]
            table = table.set_column(place, name, pyarrow.array(texts, pyarrow.string()))
    return table
