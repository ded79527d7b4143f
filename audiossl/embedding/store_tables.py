"""A store as a table: what is known about its items, joined with other tables, and written for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow
from jaxtyping import Float32

from audiossl.embedding.columns import PREFIX, to_array
from audiossl.embedding.index import StoreIndex
from audiossl.embedding.vector_search import Vectors
from audiossl.errors import ConfigError, DataError, import_extra
from audiossl.files import parse_json, whole_file
from audiossl.options import nearest
from audiossl.tables import read_table
from audiossl.where_values import Plain, plain

if TYPE_CHECKING:
    import datasets
    import pandas

FIXED = ("id", "file", "start", "end")
VECTOR = "vector"
ROWS = 10_000  # of a group in a Parquet file
Key = str | float | bool


def table_of(index: StoreIndex) -> pyarrow.Table:
    """Make a table of id, file, start, end and one's own columns; one whose name is taken gets `table_` in front."""
    table = index.table
    names = {name: f"table_{name}" if name in (*FIXED, VECTOR) else name for name in index.columns}
    columns = {given: table.column(PREFIX + name) for name, given in names.items()}
    return pyarrow.table(dict(zip(FIXED, _fixed(index), strict=True)) | columns)


def rows_at(index: StoreIndex, rows: np.ndarray) -> list[tuple[tuple[str, str, float, float], dict[str, Plain]]]:
    """For some items id, file, start and end, and what is known about them."""
    chosen = index.take(rows)
    fixed = zip(*(column.to_pylist() for column in _fixed(chosen)), strict=True)
    own = chosen.table.select([PREFIX + name for name in chosen.columns]).to_pylist() if chosen.columns else [{}] * len(rows)
    return [
        (one, {name.removeprefix(PREFIX): value for name, value in about.items()}) for one, about in zip(fixed, own, strict=True)
    ]


def with_vectors(table: pyarrow.Table, vectors: Float32[np.ndarray, "N D"]) -> pyarrow.Table:
    """Append vectors as a column of lists of one length."""
    values = pyarrow.array(np.ascontiguousarray(vectors).reshape(-1))
    return table.append_column(VECTOR, pyarrow.FixedSizeListArray.from_arrays(values, vectors.shape[1]))


def write_parquet(path: Path, table: pyarrow.Table, blocks: Iterator[Vectors], dim: int) -> Path:
    """Write a table and its vectors, a block at a time."""
    from pyarrow import parquet

    schema = with_vectors(table.slice(0, 0), np.zeros((0, dim), np.float32)).schema
    with whole_file(path) as partial, parquet.ParquetWriter(partial, schema) as writer:
        for rows, vectors in blocks:
            writer.write_table(with_vectors(table.take(rows), vectors), row_group_size=ROWS)
    return path


def to_pandas(table: pyarrow.Table) -> pandas.DataFrame:
    """The table for pandas.

    Raises:
        MissingExtraError: if pandas is not installed.
    """
    import_extra("pandas", "pandas")
    return table.to_pandas()


def to_huggingface(table: pyarrow.Table) -> datasets.Dataset:
    """The table as a dataset of the library `datasets`.

    Raises:
        MissingExtraError: if it is not installed.
    """
    return import_extra("datasets", "datasets").Dataset(table)


def joined(
    index: StoreIndex, table: str | Path | pyarrow.Table | pandas.DataFrame, on: str | tuple[str, str], partial: bool
) -> StoreIndex:
    """Add the columns of a table; those that the items have already are replaced. Errors are those of `EmbeddingStore.join`."""
    mine, theirs = (on, on) if isinstance(on, str) else on
    name, folder, columns = _columns_of(table)
    theirs = "path" if theirs == "file" and "file" not in columns and "path" in columns else theirs
    if theirs not in columns:
        raise DataError(f"{name} has no column '{theirs}'{nearest(theirs, columns)}; its columns are {', '.join(columns)}")
    is_file = mine in ("file", "path")
    held = _as_keys(_keys_of(index, mine), None)
    keys = _as_keys(columns.pop(theirs), folder if is_file else None)
    row_of: dict[Key, int] = {}
    for row, key in enumerate(keys):
        first = row_of.setdefault(key, row) if key is not None else row
        if first != row and any(values[first] != values[row] for values in columns.values()):
            raise DataError(f"{name} has two rows for {theirs} '{key}' that differ (rows {first + 1} and {row + 1})")
    rows = [-1 if key is None else row_of.get(key, -1) for key in held]
    if (lacking := [item_id for item_id, row in zip(index.ids, rows, strict=True) if row < 0]) and not partial:
        example = next((str(key) for key in keys if key is not None), "none")
        raise DataError(
            f"{name} has no row for {len(lacking):,} of {len(index.ids):,} items, such as '{lacking[0]}' (the table has "
            f"{theirs}s such as '{example}'): compare the two, or say partial=True"
        )
    joined = index.table
    for column, values in columns.items():
        found = to_array([None if row < 0 else values[row] for row in rows])
        if PREFIX + column in joined.column_names:
            joined = joined.drop_columns([PREFIX + column])
        joined = joined.append_column(PREFIX + column, found)
    return StoreIndex(joined, index.folders)


def _keys_of(index: StoreIndex, name: str) -> list[Plain]:
    if name in ("id", "file", "path"):
        return index.table.column("id" if name == "id" else "path").to_pylist()
    if name not in index.columns:
        known = ["id", "file", *index.columns]
        raise ConfigError(f"the store has no column '{name}'{nearest(name, known)}; its columns are {', '.join(known)}")
    return index.table.column(PREFIX + name).to_pylist()


def _as_keys(values: list[Plain], folder: Path | None) -> list[Key | None]:
    """Keys that compare as people read them: 7, 7.0 and '7' are one; a path is where it leads from the folder of its table."""
    if folder is not None:
        return [None if value is None else str(_place(str(value), folder)) for value in values]
    keys: list[Key | None] = []
    for value in values:
        try:
            number = None if value is None or isinstance(value, bool) else float(value)
            same = number is not None and (not isinstance(value, str) or repr(int(number)) == value)
            keys.append(number if same else value)
        except (ValueError, OverflowError):
            keys.append(value)
    return keys


def _place(path: str, folder: Path) -> Path:
    below = (folder / path).absolute()
    return below if below.exists() or not Path(path).exists() else Path(path).absolute()


def _columns_of(table: str | Path | pyarrow.Table | pandas.DataFrame) -> tuple[str, Path, dict[str, list[Plain]]]:
    """What a table is called, its folder, and its columns."""
    if isinstance(table, str | Path):
        path = Path(table)
        return f"the table {path}", path.parent, _read(path)
    if not isinstance(table, pyarrow.Table):
        if not hasattr(table, "iloc"):
            raise DataError(f"expected a path or a table of Arrow or pandas to join, got {type(table).__name__}")
        table = pyarrow.Table.from_pandas(table, preserve_index=False)
    return "the table", Path(), _of_arrow(table)


def _read(path: Path) -> dict[str, list[Plain]]:
    from pyarrow import parquet

    if not path.is_file():
        raise DataError(f"the table {path} does not exist")
    if path.suffix.lower() == ".parquet":
        try:
            return _of_arrow(parquet.ParquetFile(path).read())
        except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
            raise DataError(f"the table {path} cannot be read ({error})") from error
    if path.suffix.lower() in (".jsonl", ".json"):
        try:
            rows = [parse_json(line) for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
            if not all(isinstance(row, dict) for row in rows):
                raise ValueError("expected an object in each line")
        except ValueError as error:
            raise DataError(f"{path} cannot be read as JSON lines ({error})") from error
    else:
        rows = [row.cells for row in read_table(path).rows]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_cell(row.get(name)) for row in rows] for name in names}


def _of_arrow(table: pyarrow.Table) -> dict[str, list[Plain]]:
    return {name: [_cell(value) for value in table.column(name).to_pylist()] for name in table.column_names}


def _cell(value: object) -> Plain:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | Mapping) else plain(value)


def _fixed(index: StoreIndex) -> tuple[pyarrow.Array | pyarrow.ChunkedArray, ...]:
    table = index.table
    start, seconds, size, rate = (table.column(name).to_numpy() for name in ("start", "seconds", "num_frames", "frame_rate"))
    end = start + np.where(seconds < 0, size / rate, seconds)  # of earlier stores only the number of frames is known
    return table.column("id"), table.column("path"), table.column("start"), pyarrow.array(end)
