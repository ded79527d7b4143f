"""Recordings as somebody may have them: hums of a few people, and a table that says whose they are."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RECIPES = Path(__file__).parents[3] / "recipes" / "own"
RATE = 16_000
# The smallest run: what a laptop does in seconds.
TINY = [
    "teacher.kind=logmel", "teacher.layer=null", "quantiser.kind=kmeans", "quantiser.codebook_size=16",
    "quantiser.fit_frames=2000", "training.max_steps=4", "training.batch_seconds=12", "training.validate_every=0",
    "training.health_frames=0", "training.tensorboard=false",
    "student.overrides={encoder_dim: [32], feedforward_dim: [32], num_encoder_layers: [1], num_heads: [2], "
    "encoder_unmasked_dim: [32], downsampling_factor: [1], cnn_module_kernel: [5]}",
]  # fmt: skip


def hum(folder: Path, number: int, speaker: int, seconds: float = 0.5) -> Path:
    """A hum at the pitch of a speaker, with some noise of its own."""
    draws = np.random.default_rng(number)
    time = np.arange(int(seconds * RATE)) / RATE
    sound = sum(np.sin(2 * np.pi * (110 + 50 * speaker) * part * time + draws.uniform(0, 6)) / part for part in range(1, 8))
    path = folder / f"clip_{number:03d}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * sound + 0.01 * draws.normal(size=len(time)), RATE)
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_recordings(folder: Path, count: int, num_speakers: int = 4, seconds: float = 0.5) -> list[dict[str, str]]:
    """A folder `recordings` and `metadata.csv` beside it; returns the rows."""
    rows = []
    for number in range(count):
        path = hum(folder / "recordings", number, number % num_speakers, seconds)
        rows.append({"file": path.name, "speaker": f"person {number % num_speakers}"})
    write_rows(folder / "metadata.csv", rows)
    return rows
