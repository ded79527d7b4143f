"""FLAC files of noise with the lengths of read speech, made when they are needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def make_recordings(folder: Path, count: int, longest: float = 16.0) -> float:
    """Write what is missing of so many files; their seconds, together."""
    folder.mkdir(parents=True, exist_ok=True)
    generator, total = np.random.default_rng(0), 0.0
    for number in range(count):
        seconds = float(np.clip(longest - generator.gamma(1.6, longest / 6.7), longest / 16, longest))
        samples = round(seconds * RATE)
        noise = np.cumsum(generator.standard_normal(samples))  # falls by 6 dB an octave, roughly as speech
        noise -= np.convolve(noise, np.ones(400) / 400, "same")
        path = folder / f"{number:05d}.flac"
        if not path.is_file():
            soundfile.write(path, 0.1 * noise / np.abs(noise).max(), RATE)
        total += samples / RATE
    return total
