"""Tables of clips: CSV, TSV, JSON lines or Parquet with a path in each row, and perhaps the part that is meant and its id."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from audiossl.errors import DataError
from audiossl.files import path_text
from audiossl.signals.corpora.table_rows import TIMES, is_table, path_column, plain_cells, read_rows
from audiossl.tables import read_table
from audiossl.where_values import Plain

OF_LHOTSE = frozenset({"recording", "sources", "supervisions"})


@dataclass(frozen=True)
class Clip:
    """A row of a table: a file, or the part of it from `start` to `end` seconds; an `end` of None is that of the file.

    Attributes:
        columns: the other cells of the row, such as speaker and text, by the name of their column.
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
    if not is_table(path) or not path.is_file():
        return False
    if ".jsonl" not in path.name.lower():
        return True
    try:
        first = next(read_rows(path)).cells
    except (DataError, StopIteration):
        return False
    return path_column(first) is not None and not OF_LHOTSE & set(first)


def read_clips(table: Path) -> tuple[list[Clip], list[dict[str, str]]]:
    """Read the clips of a table, and the rows that name none, for `rejected.jsonl`.

    Columns are `path` (or `file`, `filename`, `audio_filepath`, ...) and, where wanted, `start` and `end` (or `start` and
    `duration`) in seconds and `id`; all others are kept, but for bytes; lists and mappings become JSON. CSV and TSV are read
    however spreadsheets save them (`audiossl.tables`). A relative path starts from the folder of the table if the file is there,
    else from the working folder. Without an id a clip is called by its path, and a part by its path and its span, as in
    `a.wav@1.5-3`.

    Raises:
        DataError: if the table cannot be read, has no rows, or no column of paths.
    """
    clips: list[Clip] = []
    rejected: list[dict[str, str]] = []
    seen: dict[str, Clip] = {}
    column = None
    for place, row in read_rows(table):
        if column is None and (column := path_column(row)) is None:
            raise DataError(
                f"the table {table} has no column 'path'; its columns are {', '.join(map(repr, row))}. Expected path, and where "
                "wanted start and end in seconds and id; all others are kept"
            )
        try:
            clip = _clip(row, column, table.parent)
            first = seen.setdefault(clip.id, clip)
            if first is clip:
                clips.append(clip)
            elif first != clip:
                raise ValueError(f"duplicate id: another row is called '{clip.id}', too{_difference(first, clip)}")
        except (ValueError, TypeError) as error:
            name = str(row.get("id") or row.get(column) or place)
            rejected.append({"id": name, "path": path_text(table), "reason": f"{place} of {table.name}: {error}"})
    if column is None:
        if ".jsonl" not in table.name.lower() and not table.name.lower().endswith(".parquet"):
            read_table(table, ["path"])  # a header that lacks it says more
        raise DataError(f"the table {table} has no rows")
    return clips, rejected


def _difference(first: Clip, other: Clip) -> str:
    """In words, what a second row of the same clip says differently."""
    if (first.path, first.start, first.end) != (other.path, other.start, other.end):
        return ""
    names = [name for name in {**first.columns, **other.columns} if first.columns.get(name) != other.columns.get(name)]
    return f", with another {' and '.join(names)}: several values of a clip stand in one row, as in 'rain;wind'"


def _clip(row: dict[str, Any], column: str, folder: Path) -> Clip:
    written = row.get(column)
    if not isinstance(written, str) or not written.strip():
        raise ValueError("expected a path, got none")
    start, end = span_of(row)
    path = find_path(written.strip(), folder)
    part = "" if start is None and end is None else f"@{start or 0.0:g}-{'' if end is None else f'{end:g}'}"
    name = row.get("id")
    id_ = str(name) if name not in (None, "") else f"{Path(written.strip()).as_posix()}{part}"
    used = {column, "id", *TIMES}
    columns = plain_cells({key: value for key, value in row.items() if key not in used})
    return Clip(id_, path, start or 0.0, end, columns)


def span_of(row: Mapping[str, object]) -> tuple[float | None, float | None]:
    """Start and end of a row, in seconds; None where it does not say.

    Raises:
        ValueError: if they are no times, or in the wrong order.
    """
    start, end, duration = (_seconds(row, column) for column in TIMES)
    if end is None and start is not None and duration is not None:  # without a start it is the length of the file
        end = start + duration
    if end is not None and end <= (start or 0.0):
        raise ValueError(f"expected an end after the start, got {start or 0.0:g} to {end:g} s")
    return start, end


def find_path(written: str, folder: Path) -> Path:
    """The file that a table means: from its folder if it is there, else from the working folder; also with Windows' slashes, and
    with letters composed otherwise, as file systems differ.
    """
    spellings = [written]
    if "\\" in written:
        spellings.append(PureWindowsPath(written).as_posix())
    spellings += [unicodedata.normalize(form, text) for text in list(spellings) for form in ("NFC", "NFD")]
    for spelling in dict.fromkeys(spellings):
        for path in (folder / spelling, Path(spelling)):
            if path.exists():
                return path
    return folder / written


def _seconds(row: Mapping[str, object], column: str) -> float | None:
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
