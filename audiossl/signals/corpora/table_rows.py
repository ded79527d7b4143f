"""Rows of tables about recordings, whether CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import gzip
import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from audiossl.errors import DataError
from audiossl.files import parse_json
from audiossl.tables import read_table
from audiossl.where_values import Plain, plain

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".jsonl", ".jsonl.gz")
PATH_COLUMNS = ("path", "audio_filepath", "filepath", "file_path", "audio_path", "filename", "file_name", "file", "wav", "audio")
TIMES = ("start", "end", "duration")


class TableRow(NamedTuple):
    """A row: where it stands, in words, and its cells by column."""

    place: str
    cells: dict[str, Any]


def is_table(path: Path) -> bool:
    """Tell a table by the suffix of its name."""
    return path.name.lower().endswith(SUFFIXES)


def read_rows(table: Path) -> Iterator[TableRow]:
    """Read the rows of a table one by one. Known columns (path, id, start, end, duration) have their names in small letters.

    CSV and TSV are read however spreadsheets save them (`audiossl.tables`); their cells are text, times with a decimal point.

    Raises:
        DataError: if the table cannot be read.
    """
    name = table.name.lower()
    if name.endswith(".parquet"):
        rows = enumerate(_parquet_rows(table), 1)
    elif name.endswith((".jsonl", ".jsonl.gz")):
        rows = enumerate(_json_rows(table), 1)
    else:
        yield from _text_rows(table)
        return
    for number, row in rows:
        yield TableRow(f"row {number}", {_known(key): value for key, value in row.items()})


def path_column(cells: Mapping[str, object]) -> str | None:
    """The column that names files: `path`, or the first of what others call it."""
    return next((name for name in PATH_COLUMNS if name in cells), None)


def plain_cells(cells: Mapping[str, object]) -> dict[str, Plain]:
    """Cells as text, numbers and truths; empty ones and NaN are None, dates text, lists and mappings JSON, bytes left out.

    >>> plain_cells({"speaker": "a", "age": float("nan"), "note": "", "data": b"1", "tags": ["x"]})
    {'speaker': 'a', 'age': None, 'note': None, 'tags': '["x"]'}
    """
    return {name: _cell(value) for name, value in cells.items() if not isinstance(value, bytes)}


def _cell(value: object) -> Plain:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return unicodedata.normalize("NFC", value.strip()) or None if isinstance(value, str) else plain(value)


def _known(name: str) -> str:
    small = name.lower()
    return small if small in (*PATH_COLUMNS, *TIMES, "id") else name


def _text_rows(table: Path) -> Iterator[TableRow]:
    read = read_table(table)
    twice = [name for name in read.columns if sum(_known(other) == _known(name) for other in read.columns) > 1]
    if twice:
        raise DataError(f"{table}: the columns {' and '.join(twice)} have one name but for their letters. Rename one")
    for row in read.rows:
        cells: dict[str, Any] = {_known(name): cell for name, cell in row.cells.items()}
        if read.delimiter != ",":
            cells |= {name: cells[name].replace(",", ".") for name in TIMES if name in cells}
        yield TableRow(f"line {row.line}", cells)


def _json_rows(table: Path) -> Iterator[dict[str, Any]]:
    open_text = gzip.open if table.name.lower().endswith(".gz") else open
    try:
        with open_text(table, "rt", encoding="utf-8-sig") as file:
            for line in file:
                if line.strip():
                    row = parse_json(line)
                    if not isinstance(row, dict):
                        raise ValueError(f"expected an object in each line, got {type(row).__name__}")
                    yield row
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{table} cannot be read as JSON lines ({type(error).__name__}: {error})") from error


def _parquet_rows(table: Path) -> Iterator[dict[str, Any]]:
    """Rows without columns of bytes, such as sound."""
    from pyarrow import parquet, types

    def is_bytes(kind: Any) -> bool:
        inner = [kind.field(number).type for number in range(kind.num_fields)] if types.is_struct(kind) else [kind]
        return any(types.is_binary(one) or types.is_large_binary(one) for one in inner)

    try:
        with parquet.ParquetFile(table) as file:
            for batch in file.iter_batches(columns=[field.name for field in file.schema_arrow if not is_bytes(field.type)]):
                yield from batch.to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
        raise DataError(f"the table {table} cannot be read ({type(error).__name__}: {error})") from error
