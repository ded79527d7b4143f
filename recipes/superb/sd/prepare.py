"""SD: Libri2Mix, 16 kHz, max, as s3prl's and espnet's recipes leave it (`--data-root` holds train, dev and test).

Each has wav.scp (`RECORDING PATH`) and rttm (`SPEAKER RECORDING 1 START SECONDS <NA> <NA> NAME ...`).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from audiossl.errors import DataError

from ..official import Row, audio_row, corpus_root, write_official

SETS = {"train": "train", "valid": "dev", "test": "test"}


def prepare_tasks(out: Path, data_root: Path | None) -> None:
    """Write the tables."""
    needed = [f"{name}/{file}" for name in SETS.values() for file in ("wav.scp", "rttm")]
    root = corpus_root(data_root, "Libri2Mix prepared for diarization", needed)
    tables: dict[str, list[Row]] = {}
    for split, name in SETS.items():
        spoken = _segments(root / name / "rttm")
        tables[split] = []
        for line in (root / name / "wav.scp").read_text(encoding="utf-8").splitlines():
            id_, _, path = line.strip().partition(" ")
            if id_ not in spoken:
                raise DataError(f"{root / name / 'rttm'} has no segment of '{id_}', which wav.scp names")
            tables[split].append(audio_row(id_, root / path.strip(), segments=" ".join(spoken[id_])))
    write_official(out / "sd", "SD", **tables)


def _segments(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if parts and parts[0] == "SPEAKER":
            start, seconds = float(parts[3]), float(parts[4])
            found[parts[1]].append(f"{parts[7]}:{start:.3f}-{start + seconds:.3f}")
    return found
