"""Stand-in for an event task: where drum strokes begin and end in music (Hydrogen's kits in Wesnoth's tracks; GPL, CC by kit).

Kits and tracks of a split are in no other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiossl.signals.audio import probe, read_audio
from audiossl.signals.fetch import fetch

from ..packaged.drumkits import CLASSES
from ..packaged.sounds import SOURCES
from .drum_kits import strokes
from .task_folder import SAMPLE_RATE, write_clip, write_labels

NAME = "standin_drum_events"
SECONDS, CLIPS = 8.0, {"train": 40, "valid": 12, "test": 20}
STROKES, MAX_STROKE = (4, 8), 0.4  # in a clip; seconds of a stroke
MUSIC_BELOW_STROKES = 12.0  # dB, of the music's level and each stroke's


def write(out: Path) -> None:
    """Write the task; all draws come from one seed."""
    folder = out / f"{NAME}-v1-full"
    draw = np.random.default_rng(2021)
    package = "wesnoth-1.16-music"
    place, suffix, count = SOURCES[package]
    music = fetch(f"deb:{package}", expect={f"{place}/*.{suffix}": count}) / place
    tracks = [path for path in sorted(music.glob(f"*.{suffix}")) if probe(path).duration > SECONDS + 1]
    kits = list(strokes().values())
    labels: dict[str, dict[str, list[dict[str, object]]]] = {}
    for number, (split, clips) in enumerate(CLIPS.items()):
        mine = [[(_stroke(path), label) for path, label in kit] for kit in kits[number::3]]
        labels[split] = {}
        for clip in range(clips):
            name = f"{clip:03d}.wav"
            mixture, events = _mixture(draw, tracks[number::3], mine[int(draw.integers(len(mine)))])
            write_clip(folder, split, name, mixture, SECONDS)
            labels[split][name] = events
    metadata = {
        "task_name": NAME,
        "embedding_type": "event",
        "prediction_type": "multilabel",
        "split_mode": "trainvaltest",
        "sample_duration": SECONDS,
        "evaluation": ["event_onset_200ms_fms", "segment_1s_er"],
        # Strokes are short: HEAR's own 250 ms filter would remove most. Few epochs, for a laptop.
        "evaluation_params": {
            "event_postprocessing_grid": {"median_filter_ms": [60, 120], "min_duration": [0, 60]},
            "task_specific_param_grid": {"max_epochs": [40], "check_val_every_n_epoch": [4], "patience": [3]},
        },
    }
    write_labels(folder, metadata, list(CLASSES), labels)


def _stroke(path: Path) -> Float[np.ndarray, "S"]:
    """The first part of a stroke, faded out, with the level of its loudest 50 ms at 1."""
    samples = read_audio(path, SAMPLE_RATE)[0].numpy()[: round(MAX_STROKE * SAMPLE_RATE)]
    fade = min(len(samples), SAMPLE_RATE // 50)
    samples[len(samples) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    window = SAMPLE_RATE // 20
    levels = [np.sqrt(np.mean(samples[first : first + window] ** 2)) for first in range(0, max(1, len(samples) - window), 80)]
    return samples / max(1e-4, float(max(levels)))


def _mixture(
    draw: np.random.Generator, tracks: list[Path], kit: list[tuple[Float[np.ndarray, "_"], str]]
) -> tuple[Float[np.ndarray, "S"], list[dict[str, object]]]:
    track = tracks[int(draw.integers(len(tracks)))]
    begin = draw.uniform(0, probe(track).duration - SECONDS)
    music = read_audio(track, SAMPLE_RATE, begin, SECONDS)[0].numpy()
    mixture = music * (10 ** (-MUSIC_BELOW_STROKES / 20) / max(1e-4, float(np.sqrt(np.mean(music**2)))))
    events: list[dict[str, object]] = []
    starts = np.sort(draw.uniform(0.1, SECONDS - MAX_STROKE - 0.1, int(draw.integers(*STROKES, endpoint=True))))
    for start in starts:
        samples, label = kit[int(draw.integers(len(kit)))]
        first = round(start * SAMPLE_RATE)
        mixture[first : first + len(samples)] += samples
        events.append({
            "label": label, "start": 1000 * first / SAMPLE_RATE, "end": 1000 * (first + len(samples)) / SAMPLE_RATE,
        })  # fmt: skip
    return mixture, events
