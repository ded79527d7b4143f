"""Tables of clips: CSV, TSV, JSON lines or Parquet with a path in each row, and perhaps the part that is meant and its id."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiossl.errors import DataError
from audiossl.files import parse_json, path_text
from audiossl.tables import read_table
from audiossl.where_values import Plain, plain

COLUMNS = ("path", "start", "end", "duration", "id")
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".jsonl", ".jsonl.gz")


@dataclass(frozen=True)
class Clip:
    """A row of a table: a file, or the part of it from `start` to `end` seconds; an `end` of None is that of the file.

    `columns` holds the other cells of the row, by the name of their column.
    """

    id: str
    path: Path
    start: float = 0.0
    end: float | None = None
    columns: Mapping[str, Plain] = field(default_factory=dict, hash=False)

    @property
    def is_whole(self) -> bool:
        """Whether the whole file is meant."""
        return self.start == 0 and self.end is None


def is_clip_table(path: Path) -> bool:
    """Tell a table of clips by its suffix; JSON lines are one if their first row has a path and no recording of lhotse."""
    if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
        return False
    if ".jsonl" not in path.name.lower():
        return True
    try:
        first = next(_json_rows(path), {})
    except DataError:
        return False
    return "path" in first and not {"recording", "sources", "supervisions"} & set(first)


def read_clips(table: Path) -> tuple[list[Clip], list[dict[str, str]]]:
    """Read the clips of a table, and the rows that name none, for `rejected.jsonl`.

    Columns are `path` and, where wanted, `start` and `end` (or `start` and `duration`) in seconds and `id`; others are kept as
    they are, but for bytes; lists and mappings become JSON. CSV and TSV are read however spreadsheets save them
    (`audiossl.tables`). A relative path starts from the folder of the table if the file is there, else from the working folder.
    Without an id a clip is called by its path, and a part by its path and its span, as in `a.wav@1.5-3`.

    Raises:
        DataError: if the table cannot be read, has no rows, or no column `path`.
    """
    clips: list[Clip] = []
    rejected: list[dict[str, str]] = []
    seen: dict[str, Clip] = {}
    place = ""
    for place, row in _rows(table):
        try:
            clip = _clip(row, table.parent)
            first = seen.setdefault(clip.id, clip)
            if first is clip:
                clips.append(clip)
            elif first != clip:
                raise ValueError(f"duplicate id: another row is called '{clip.id}', too")
        except (ValueError, TypeError) as error:
            name = str(row.get("id") or row.get("path") or place)
            rejected.append({"id": name, "path": path_text(table), "reason": f"{place} of {table.name}: {error}"})
    if not place:
        raise DataError(f"the table {table} has no rows")
    return clips, rejected


def _clip(row: dict[str, Any], folder: Path) -> Clip:
    written = row.get("path")
    if not isinstance(written, str) or not written.strip():
        raise ValueError("expected a path, got none")
    start, end, duration = (_seconds(row, column) for column in ("start", "end", "duration"))
    if end is None and start is not None and duration is not None:  # without a start it is the length of the file
        end = start + duration
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"expected an end after the start, got {start or 0.0:g} to {end:g} s")
    below = folder / written.strip()
    path = below if below.exists() or not Path(written.strip()).exists() else Path(written.strip())
    part = "" if start is None and end is None else f"@{start or 0.0:g}-{'' if end is None else f'{end:g}'}"
    name = row.get("id")
    id_ = str(name) if name not in (None, "") else f"{Path(written.strip()).as_posix()}{part}"
    columns = {name: _cell(value) for name, value in row.items() if name not in COLUMNS and not isinstance(value, bytes)}
    return Clip(id_, path, start or 0.0, end, columns)


def _cell(value: object) -> Plain:
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | dict) else plain(value)


def _seconds(row: dict[str, Any], column: str) -> float | None:
    value = row.get(column)
    if value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected {column} in seconds, got {value!r}")
    try:
        seconds = float(value)
    except ValueError:
        raise ValueError(f"expected {column} in seconds, got {value!r}") from None
    if not 0 <= seconds < math.inf:
        raise ValueError(f"expected {column} in seconds from 0 on, got {value!r}")
    return seconds


def _rows(table: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows, each with its place in words."""
    name = table.name.lower()
    if not name.endswith((".jsonl", ".jsonl.gz", ".parquet")):
        yield from _text_rows(table)
        return
    for number, row in enumerate(_parquet_rows(table) if name.endswith(".parquet") else _json_rows(table), 1):
        if number == 1 and "path" not in row:
            raise DataError(
                f"the table {table} has no column 'path'; its columns are {', '.join(map(repr, row))}. Expected path, and where "
                "wanted start and end in seconds and id"
            )
        yield f"row {number}", row


def _text_rows(table: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    read = read_table(table, ["path"])
    for row in read.rows:
        cells: dict[str, Any] = {name.lower() if name.lower() in COLUMNS else name: cell for name, cell in row.cells.items()}
        if read.delimiter != ",":
            cells |= {name: cells[name].replace(",", ".") for name in ("start", "end", "duration") if name in cells}
        yield f"line {row.line}", cells


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
    from pyarrow import parquet, types

    def is_bytes(kind: Any) -> bool:
        inner = [kind.field(number).type for number in range(kind.num_fields)] if types.is_struct(kind) else [kind]
        return any(types.is_binary(one) or types.is_large_binary(one) for one in inner)

    try:
        with parquet.ParquetFile(table) as file:
            names = file.schema_arrow.names
            if "path" not in names:
                yield dict.fromkeys(names)
            for batch in file.iter_batches(columns=[field.name for field in file.schema_arrow if not is_bytes(field.type)]):
                yield from batch.to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
        raise DataError(f"the table {table} cannot be read ({type(error).__name__}: {error})") from error
