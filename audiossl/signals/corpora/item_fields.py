"""What the columns of a row say of an item: what is spoken, by whom, in which language and recording, and all else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audiossl.signals.corpora.table_rows import Cell

RECORDING_COLUMNS = ("recording", "session", "source_file")  # clips of one stay on one side of a split
OWN = frozenset(  # attributes of items, which a column of the same name must not hide
    {"id", "path", "start", "duration", "num_samples", "channels", "member", "cut", "declared", "same_as", "heard", "text_is_cut",
     "stretches", "custom"}
)  # fmt: skip


def item_fields(fields: Mapping[str, Cell], recording: str) -> dict[str, Any]:
    """Arguments of an `Item` or `CorpusItem`: text, speaker, language, recording and custom fields.

    Args:
        fields: cells by column.
        recording: that the item is a part of, where no column `recording`, `session` or `source_file` says it.

    >>> item_fields({"speaker": 7, "mood": "glad", "session": "monday"}, "a.wav")
    {'text': None, 'speaker': '7', 'language': None, 'recording': 'monday', 'custom': {'mood': 'glad', 'session': 'monday'}}
    """
    said = {name: None if (value := fields.get(name)) is None else str(value) for name in ("text", "speaker", "language")}
    named = next((str(fields[name]) for name in RECORDING_COLUMNS if name in fields), recording)
    custom = {name: value for name, value in fields.items() if name not in said and name != "recording" and name not in OWN}
    return {**said, "recording": named, "custom": custom}
