"""The index of a store, in columns: for each item where its frames are, what it was made of, and what is known about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from audiossl.embedding.columns import PREFIX, own_names, stack
from audiossl.errors import StoreError
from audiossl.signals.corpora.origins import COLUMNS, Origin

if TYPE_CHECKING:
    import pyarrow

# What an index file holds, and what one of an older version is taken to hold in its place; None where it has to be there.
FIELDS: dict[str, tuple[str, object]] = {
    "id": ("string", None),
    "shard": ("int64", None),
    "offset": ("int64", None),
    "num_frames": ("int64", None),
    "start": ("float64", None),
    "frame_rate": ("float64", None),
    "path": ("string", None),
    "size": ("int64", -1),
    "modified": ("int64", 0),
    "digest": ("string", ""),
    "part": ("string", ""),
    "version": ("int64", 0),
    "seconds": ("float64", -1.0),  # of sound; below 0 where it is not known
}


@dataclass(frozen=True)
class StoredItem:
    """Where an item is: row `row` of shard `shard` in `folder`, frames `[offset, offset + num_frames)`; and its origin."""

    folder: Path
    shard: int
    row: int
    offset: int
    num_frames: int
    start: float
    frame_rate: float
    origin: Origin

    @property
    def path(self) -> str:
        """Of the file that the item was made of."""
        return self.origin.path


@dataclass(frozen=True)
class StoreIndex:
    """Items of a store and its parts, a row for each, in the order in which they were written.

    Attributes:
        table: the columns of `FIELDS`, then `folder` and `row` (which part, and which row of its shard), then one's own columns.
        folders: folders of the parts.
    """

    table: pyarrow.Table
    folders: tuple[Path, ...] = ()

    @cached_property
    def ids(self) -> list[str]:
        """Of all items."""
        return self.table.column("id").to_pylist()

    @cached_property
    def positions(self) -> dict[str, int]:
        """The row of each id."""
        return {item_id: row for row, item_id in enumerate(self.ids)}

    @property
    def columns(self) -> list[str]:
        """Names of one's own columns."""
        return own_names(self.table.column_names)

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {}

    def numbers(self, name: str) -> Int64[np.ndarray, "N"]:
        """A column of whole numbers."""
        if name not in self._arrays:
            self._arrays[name] = self.table.column(name).to_numpy()
        return self._arrays[name]

    def item(self, position: int) -> StoredItem:
        """One row."""
        row = self.table.slice(position, 1).select([*FIELDS, "folder", "row"]).to_pylist()[0]
        return StoredItem(
            self.folders[row["folder"]],
            origin=Origin.from_row(row["path"], row),
            **{name: row[name] for name in ("shard", "row", "offset", "num_frames", "start", "frame_rate")},
        )

    def origins(self) -> dict[str, Origin]:
        """What each item was made of, by id."""
        rows = self.table.select(["id", "path", *COLUMNS]).to_pylist()
        return {row["id"]: Origin.from_row(row["path"], row) for row in rows}

    def take(self, rows: Sequence[int] | np.ndarray) -> StoreIndex:
        """Only these rows."""
        return StoreIndex(self.table.take(np.asarray(rows, np.int64)), self.folders)


def read_parts(parts: Sequence[Path]) -> StoreIndex:
    """Read the indexes of a store and its parts; of an item that was made anew the latest.

    Raises:
        StoreError: if an index file is broken, or an id occurs in two parts, and neither was made in place of the other.
    """
    indexes = [read_index(part) for part in parts]
    together = stack([_numbered(one.table, part) for part, one in enumerate(indexes)] or [_numbered(_empty(), 0)])
    index = StoreIndex(together, tuple(parts))
    if len(index.positions) == len(index.ids):
        return index
    folders, versions = index.numbers("folder"), index.numbers("version")
    chosen: dict[str, int] = {}
    for row, item_id in enumerate(index.ids):
        first = chosen.setdefault(item_id, row)
        if first != row and versions[first] == versions[row]:
            raise StoreError(
                f"expected each id once, got '{item_id}' in {parts[folders[first]]} and in {parts[folders[row]]}: remove one"
            )
        if versions[row] > versions[first]:
            chosen[item_id] = row
    return index.take(list(chosen.values()))


def read_index(folder: Path) -> StoreIndex:
    """Read the index of one folder, parts not included; finished shards only.

    Raises:
        StoreError: if an index file is broken.
    """
    tables = [read_shard_index(path) for path in sorted(folder.glob("index-*.parquet"))]
    index = StoreIndex(stack([_numbered(table, 0) for table in tables] or [_numbered(_empty(), 0)]), (folder,))
    if len(index.positions) == len(index.ids):
        return index
    latest: dict[str, int] = {}
    for row, item_id in enumerate(index.ids):
        latest[item_id] = row  # a later shard takes the place, where the item was
    return index.take(list(latest.values()))


def read_shard_index(path: Path) -> pyarrow.Table:
    """Read one index file, with the columns that older versions lack, and the number of each row.

    Raises:
        StoreError: if it is broken.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)
        columns = {}
        for name, (kind, missing) in FIELDS.items():
            if name in table.column_names:
                columns[name] = table.column(name).cast(kind)
            elif missing is not None:
                columns[name] = pyarrow.array([missing] * len(table), kind)
            else:
                raise ValueError(f"it has no column {name}")
            if columns[name].null_count:
                raise ValueError(f"a row has no {name}")
        columns["row"] = pyarrow.array(np.arange(len(table)))
        return pyarrow.table(columns | {name: table.column(name) for name in table.column_names if name.startswith(PREFIX)})
    except (OSError, ValueError, TypeError, KeyError, pyarrow.ArrowException) as error:
        raise StoreError(
            f"expected a shard index at {path}, could not read it ({error!r}): remove the file and embed again"
        ) from error


def _numbered(table: pyarrow.Table, part: int) -> pyarrow.Table:
    """The table with the number of its part, in place of one that it may have."""
    import pyarrow

    table = table.drop_columns(["folder"]) if "folder" in table.column_names else table
    return table.append_column("folder", pyarrow.array(np.full(len(table), part, np.int64)))


def _empty() -> pyarrow.Table:
    import pyarrow

    kinds = {name: kind for name, (kind, _) in FIELDS.items()} | {"row": "int64"}
    return pyarrow.table({name: pyarrow.array([], kind) for name, kind in kinds.items()})
