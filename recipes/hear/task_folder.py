"""Write a task folder as hear-preprocess 2021 does."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float

from audiossl.files import write_json

SAMPLE_RATE = 16000


def write_clip(folder: Path, split: str, name: str, samples: Float[np.ndarray, "S"], seconds: float) -> None:
    """Write a clip, padded or cut to a length as HEAR's are, as 16-bit WAV."""
    audio = folder / str(SAMPLE_RATE) / split
    audio.mkdir(parents=True, exist_ok=True)
    size = round(seconds * SAMPLE_RATE)
    samples = np.pad(samples[:size], (0, max(0, size - len(samples))))
    soundfile.write(audio / name, samples / max(1.0, float(np.abs(samples).max())), SAMPLE_RATE, subtype="PCM_16")


def write_labels(
    folder: Path, metadata: Mapping[str, Any], vocabulary: Sequence[str], labels: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write metadata, vocabulary and the labels of each split."""
    write_json(folder / "task_metadata.json", {"version": "v1", "mode": "full", "splits": list(labels), **metadata})
    with (folder / "labelvocabulary.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["idx", "label"])
        writer.writerows(enumerate(vocabulary))
    for split, rows in labels.items():
        write_json(folder / f"{split}.json", rows)
