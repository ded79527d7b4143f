"""Labels with times, from a table of segments of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiossl.errors import DataError
from audiossl.signals.corpora.clip_tables import span_of
from audiossl.signals.corpora.joining import join_rows
from audiossl.signals.corpora.recordings import Recording
from audiossl.signals.corpora.table_rows import TableRow, read_rows

LABEL_COLUMNS = ("label", "phone", "word", "text", "event", "class", "tag", "name")
SEGMENTS = "segments"
EXAMPLE = '{"id": "a.wav", "segments": [["AH", 0.0, 0.12]]} or a row with id, label, start, end for each'
Rejected = dict[str, str]


def read_segments(path: Path, recordings: Sequence[Recording]) -> tuple[dict[str, list[list[Any]]], list[Rejected]]:
    """Read segments [label, start, end] by recording, in order of time, and the rows that name no recording.

    Times are seconds from the begin of the recording; of a part of one, from the begin of the part.

    Args:
        path: JSON lines, CSV, TSV or Parquet; recordings are named by id, path or file name.
        recordings: of the corpus.

    Raises:
        DataError: if the table cannot be read, or a row has no label or no times.
    """
    rows = list(read_rows(path))
    if not rows:
        raise DataError(f"{path} has no rows; expected {EXAMPLE}")
    found: dict[str, list[list[Any]]] = {}
    rejected: list[Rejected] = []
    for row, id_ in zip(rows, join_rows(rows, recordings, path), strict=True):
        segments = _segments(row, path)
        if id_ is None:
            rejected.append({"id": row.place, "path": str(path), "reason": f"{row.place} of {path.name} names no recording"})
        else:
            found.setdefault(id_, []).extend(segments)
    return {id_: sorted(segments, key=lambda one: one[1]) for id_, segments in found.items()}, rejected


def _segments(row: TableRow, path: Path) -> list[list[Any]]:
    if SEGMENTS in row.cells:
        if not isinstance(row.cells[SEGMENTS], list):
            raise DataError(f"{path}, {row.place}: expected a list of segments, got {str(row.cells[SEGMENTS])[:60]}")
        return [[str(one[0]), *one[1:]] if isinstance(one, list) and one else one for one in row.cells[SEGMENTS]]
    small = {name.lower(): cell for name, cell in row.cells.items()}
    label = next((small[name] for name in LABEL_COLUMNS if name in small), None)
    if label in (None, ""):
        raise DataError(f"{path}, {row.place}: no label; expected {EXAMPLE}, got the columns {', '.join(row.cells)}")
    try:
        start, end = span_of(row.cells)
    except ValueError as error:
        raise DataError(f"{path}, {row.place}: {error}") from None
    if end is None:
        raise DataError(f"{path}, {row.place}: no end; expected {EXAMPLE}, got the columns {', '.join(row.cells)}")
    return [[str(label), start or 0.0, end]]
