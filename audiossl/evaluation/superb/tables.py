"""The tables that describe a task's clips: train.csv, valid.csv and test.csv, as s3prl's problems read them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl import tables
from audiossl.errors import DataError

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Clip:
    """One row.

    Attributes:
        id: unique in its table.
        path: path of the audio; relative ones are below the table's folder.
        values: the other columns.
        start, end: seconds of the part of the file that is meant; None for the file's own.
    """

    id: str
    path: Path
    values: Mapping[str, str] = field(default_factory=dict)
    start: float = 0.0
    end: float | None = None

    @property
    def group(self) -> str:
        """What is drawn together for intervals: the column `group`, or the clip itself."""
        return self.values.get("group") or self.id


def read_table(path: Path, columns: Sequence[str] = ()) -> list[Clip]:
    """Read one table.

    Args:
        path: table (`audiossl.tables`) with the columns id and wav_path, and optionally start_sec and end_sec.
        columns: others that have to be there and filled.

    Raises:
        DataError: if the file or a column is missing, an id comes twice, or a value is empty or no number.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: a task's folder holds {', '.join(f'{split}.csv' for split in SPLITS)}")
    wanted = ("id", "wav_path", *columns)
    table = tables.read_table(path, wanted)
    clips: dict[str, Clip] = {}
    for row in table.rows:
        place, cells = f"{path}, line {row.line}", row.cells
        if cells["id"] in clips:
            raise DataError(f"{place}: the id '{cells['id']}' comes twice")
        if empty := [name for name in wanted if not cells[name]]:
            raise DataError(f"{place}: {', '.join(empty)} is empty")
        clips[cells["id"]] = Clip(
            cells["id"],
            path.parent / cells["wav_path"],
            {name: cell for name, cell in cells.items() if name not in ("id", "wav_path")},
            table.number(row, "start_sec") or 0.0,
            table.number(row, "end_sec"),
        )
    if not clips:
        raise DataError(f"{path}: expected at least one clip, got none")
    return list(clips.values())


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write one table; all rows have the keys of the first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
