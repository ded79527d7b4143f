"""Sounds of four timbres, made here: the stand-in for MTEB's tasks, which have to be downloaded."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float32

RATE = 16_000  # Hz
TIMBRES = {  # amplitudes of the harmonics
    "pure": (1.0,),
    "odd": (1.0, 0.0, 0.33, 0.0, 0.2),
    "bright": (1.0, 0.5, 0.33, 0.25, 0.2),
    "hollow": (0.3, 1.0, 0.3, 0.1),
}
CLIPS = {"train": 24, "test": 25}  # of each timbre
NOISE = 0.5  # deviation of white noise, next to a tone of deviation 1: the task is not to be solved by everybody


def timbre_clips(split: Literal["train", "test"]) -> list[tuple[Float32[np.ndarray, "S"], int]]:
    """Clips of 0.3 to 1.2 s at 16 kHz and their classes: any pitch and phase, in noise, each as long as it happens to be.

    >>> clips = timbre_clips("test")
    >>> len(clips), len({len(sound) for sound, _ in clips}) > 90
    (100, True)
    """
    rng = np.random.default_rng([20, ["train", "test"].index(split)])
    clips = []
    for _ in range(CLIPS[split]):
        for label, amplitudes in enumerate(TIMBRES.values()):
            time = np.arange(int(rng.uniform(0.3, 1.2) * RATE)) / RATE
            pitch = 150 * 2 ** rng.uniform(0, 2)
            phases = rng.uniform(0, 2 * np.pi, len(amplitudes))
            tone = sum(
                amplitude * np.sin(2 * np.pi * pitch * order * time + phase)
                for order, (amplitude, phase) in enumerate(zip(amplitudes, phases, strict=True), 1)
            )
            sound = tone / np.std(tone) + NOISE * rng.standard_normal(len(time))
            clips.append(((0.05 * sound).astype(np.float32), label))
    return clips
