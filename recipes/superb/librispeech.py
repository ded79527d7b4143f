"""LibriSpeech as it is unpacked: LibriSpeech/SET/SPEAKER/CHAPTER/*.flac and a *.trans.txt in each chapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .official import Row, audio_row, corpus_root, write_official

SETS = {"train": "train-clean-100", "valid": "dev-clean", "test": "test-clean"}


def write(out: Path, data_root: Path | None, task: str, transcription: Callable[[str], str]) -> None:
    """Write a task whose transcripts are made of LibriSpeech's upper-case words; a group is a speaker."""
    root = corpus_root(data_root, "LibriSpeech", list(SETS.values()))
    tables: dict[str, list[Row]] = {}
    for split, name in SETS.items():
        tables[split] = []
        for file in sorted((root / name).glob("*/*/*.trans.txt")):
            for line in file.read_text(encoding="utf-8").splitlines():
                id_, _, words = line.partition(" ")
                row = audio_row(id_, file.parent / f"{id_}.flac", transcription=transcription(words), group=id_.split("-")[0])
                tables[split].append(row)
    write_official(out / task.lower(), task, **tables)
