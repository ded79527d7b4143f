"""ER: IEMOCAP, five sessions (`--data-root .../IEMOCAP_full_release`); excited counts as happy."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ..official import Row, audio_row, corpus_root, write_official

LABELS = {"neu": "neu", "hap": "hap", "exc": "hap", "ang": "ang", "sad": "sad"}
SESSIONS = range(1, 6)
LINE = re.compile(r"\[[\d.]+ - [\d.]+\]\t(\S+)\t(\w+)\t\[")


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write five folds: a session tests, of the others a fifth validates, by the hash of the clip's name."""
    needed = [f"Session{number}/{part}" for number in SESSIONS for part in ("sentences/wav", "dialog/EmoEvaluation")]
    root = corpus_root(data_root, "IEMOCAP", needed)
    sessions = {number: _session(root / f"Session{number}") for number in SESSIONS}
    for tested in SESSIONS:
        tables: dict[str, list[Row]] = {"train": [], "valid": [], "test": sessions[tested]}
        for number in SESSIONS:
            if number != tested:
                for row in sessions[number]:
                    part = hashlib.blake2b(str(row["id"]).encode(), digest_size=1).digest()[0] % 5
                    tables["train" if part else "valid"].append(row)
        write_official(out / "er" / f"fold{tested}", "ER", **tables)
        (out / "er" / f"fold{tested}" / "superb_task.json").replace(out / "er" / "superb_task.json")


def _session(folder: Path) -> list[Row]:
    rows = []
    for file in sorted((folder / "dialog" / "EmoEvaluation").glob("*.txt")):
        for name, emotion in LINE.findall(file.read_text(encoding="utf-8")):
            if emotion in LABELS:
                path = folder / "sentences" / "wav" / name.rpartition("_")[0] / f"{name}.wav"
                rows.append(audio_row(name, path, label=LABELS[emotion], group=name.rpartition("_")[0]))
    return rows
