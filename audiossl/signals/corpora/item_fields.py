"""What the columns of a row say of an item: what is spoken, by whom, in which language and recording, and all else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audiossl.where_values import Plain

SAID = ("text", "speaker", "language")
RECORDING_COLUMNS = ("recording", "session", "source_file")  # clips of one stay on one side of a split
OWN = frozenset(  # attributes of items, which a column of the same name must not hide
    {"id", "path", "start", "duration", "num_samples", "channels", "member", "cut", "declared", "same_as", "heard", "text_is_cut",
     "stretches", "custom"}
)  # fmt: skip


def item_fields(columns: Mapping[str, Plain], recording: str) -> dict[str, Any]:
    """Arguments of an `Item` or `CorpusItem`: text, speaker, language, recording and custom fields; empty cells are left out.

    Args:
        columns: cells of a row.
        recording: recording that the item is a part of, where no column `recording`, `session` or `source_file` says it.

    >>> item_fields({"Speaker": 7, "mood": "glad", "session": "monday", "age": None}, "a.wav")
    {'text': None, 'speaker': '7', 'language': None, 'recording': 'monday', 'custom': {'mood': 'glad', 'session': 'monday'}}
    """
    known = {
        name.lower() if name.lower() in SAID and name.lower() not in columns else name: cell for name, cell in columns.items()
    }
    filled = {name: int(cell) if isinstance(cell, bool) else cell for name, cell in known.items() if not is_empty(cell)}
    said = {name: str(filled[name]) if name in filled else None for name in SAID}
    named = next((str(filled[name]) for name in RECORDING_COLUMNS if name in filled), recording)
    custom = {name: value for name, value in filled.items() if name not in SAID and name != "recording" and name not in OWN}
    return {**said, "recording": named, "custom": custom}


def is_empty(cell: Plain) -> bool:
    """Whether a cell says nothing: null, empty text, or a text that says NaN."""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in ("", "nan"))
