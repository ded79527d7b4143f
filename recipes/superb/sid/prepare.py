"""SID: VoxCeleb1's identification split (`--data-root` holds dev/wav, test/wav and iden_split.txt)."""

from __future__ import annotations

from pathlib import Path

from ..official import Row, audio_row, corpus_root, write_official
from ..voxceleb1 import find

SPLITS = {"1": "train", "2": "valid", "3": "test"}


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables of the lines `1|2|3 SPEAKER/VIDEO/FILE`."""
    root = corpus_root(data_root, "VoxCeleb1", ["dev/wav", "test/wav", "iden_split.txt"])
    tables: dict[str, list[Row]] = {split: [] for split in SPLITS.values()}
    for line in (root / "iden_split.txt").read_text(encoding="utf-8").splitlines():
        if line.strip():
            number, name = line.split()
            tables[SPLITS[number]].append(audio_row(name, find(root, name), label=name.split("/")[0]))
    write_official(out / "sid", "SID", **tables)
