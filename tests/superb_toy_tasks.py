"""SUPERB tasks of generated clips, and an encoder that costs nothing."""

from __future__ import annotations

import csv
import json

import numpy as np
import soundfile
import torch

from audiossl.models.encoder import Frames

PITCHES = {"a": 300, "b": 700, "c": 1500}


class Bands(torch.nn.Module):
    """Levels of eight bands, 100 frames a second, in two layers of which the second is noise."""

    sample_rate, frame_offset = 16000.0, 0.005
    dim, num_layers, min_samples, alignment = 8, 2, 160, 160

    def __init__(self, frame_rate=100.0):
        super().__init__()
        self.frame_rate = self.last_frame_rate = frame_rate

    def forward(self, signal, lengths):
        frames = signal[:, 0, : signal.shape[2] // 160 * 160].unflatten(1, (-1, 160))
        bands = torch.fft.rfft(frames).abs()[..., [2, 3, 5, 7, 11, 15, 20, 30]].log1p()
        return Frames.from_layers([bands, torch.cos(1e3 * bands)], lengths // 160)


def tone(letters, rng, seconds=0.15):
    """One tone for each letter, with a short pause behind it."""
    time = np.arange(round(16000 * seconds)) / 16000
    parts = []
    for letter in letters:
        parts += [0.3 * np.sin(2 * np.pi * PITCHES[letter] * rng.uniform(0.97, 1.03) * time), np.zeros(800)]
    signal = np.concatenate(parts)
    return signal + 0.003 * rng.standard_normal(len(signal))


def write_rows(folder, split, rows):
    with (folder / f"{split}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_toy(folder, task, count=12, values=None, settings=None, letters=3):
    """A task folder whose columns are `values(text)` of random words of three tones; by default their first as label."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    values = values or (lambda text: {"label": text[0]})
    for split in ("train", "valid", "test"):
        rows = []
        for i in range(count):
            text = "".join(rng.choice(list(PITCHES), size=letters if letters == 1 else rng.integers(2, letters + 1)))
            text = (list(PITCHES)[i % 3] + text)[: len(text)]
            name = f"{split}{i}"
            soundfile.write(folder / f"{name}.wav", tone(text, rng), 16000)
            rows.append({"id": name, "wav_path": f"{name}.wav", **values(text)})
        write_rows(folder, split, rows)
    (folder / "superb_task.json").write_text(json.dumps({"task": task, "stand_in": "toy", "settings": settings or {}}))
    return folder
