"""IC: Fluent Speech Commands (`--data-root .../fluent_speech_commands_dataset`)."""

from __future__ import annotations

import csv
from pathlib import Path

from audiossl.errors import DataError

from ..official import Row, audio_row, corpus_root, write_official

COLUMNS = ("path", "speakerId", "action", "object", "location")


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables of data/{train,valid,test}_data.csv; a group is a speaker."""
    splits = ("train", "valid", "test")
    root = corpus_root(data_root, "Fluent Speech Commands", [f"data/{split}_data.csv" for split in splits])
    tables: dict[str, list[Row]] = {}
    for split in splits:
        path = root / "data" / f"{split}_data.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or any(name not in rows[0] for name in COLUMNS):
            raise DataError(f"{path}: expected the columns {', '.join(COLUMNS)}")
        tables[split] = [
            audio_row(
                Path(row["path"]).stem, root / row["path"], action=row["action"], object=row["object"],
                location=row["location"], group=row["speakerId"],
            )
            for row in rows
        ]  # fmt: skip
    write_official(out / "ic", "IC", **tables)
