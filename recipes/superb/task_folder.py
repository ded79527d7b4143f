"""Write a task's folder: 16 kHz WAV files, train.csv, valid.csv, test.csv and superb_task.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import soundfile

from audiossl.evaluation.superb.evaluate import DESCRIPTION
from audiossl.evaluation.superb.tables import SPLITS, write_table
from audiossl.files import write_json
from audiossl.signals.audio import read_audio

SAMPLE_RATE = 16000
Rows = dict[str, list[dict[str, object]]]


def empty_rows() -> Rows:
    """No rows in any table."""
    return {split: [] for split in SPLITS}


def write_clip(folder: Path, name: str, source: Path, start: float = 0.0, duration: float | None = None) -> str:
    """Copy a clip, or a part of it, as 16-bit WAV at 16 kHz; its path below the folder."""
    samples = read_audio(source, SAMPLE_RATE, start, duration)[0].numpy()
    path = folder / "wav" / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")
    return path.relative_to(folder).as_posix()


def write_task(folder: Path, task: str, rows: Rows, settings: Mapping[str, object], about: str) -> None:
    """Write the tables and what the task is; `settings` are those that differ from the published ones, for a laptop."""
    for split, lines in rows.items():
        write_table(folder / f"{split}.csv", lines)
    write_json(folder / DESCRIPTION, {"task": task, "stand_in": about, "settings": dict(settings)})
