"""Stand-in for HEAR's pitch tasks: the key of a rendered note, instruments held out (sound font of the wheel pretty-midi).

Notes are out of tune by up to 40 cents, at random levels, in noise: rendered cleanly, log-mel tells all of them.

The font is TimGM6mb, GPL-2 as far as known; the wheel is MIT.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch

from .sound_font import Zone, read_instruments
from .task_folder import SAMPLE_RATE, write_clip, write_labels

NAME = "standin_rendered_pitch"
SECONDS = 1.0
KEYS = range(48, 84)  # C3 to B5, MIDI
CENTS, SNR_DB = 40.0, (0.0, 15.0)
INSTRUMENTS = {
    "train": (
        "Piano 1", "Harpsichord", "Vibraphone", "Nylon Guitar", "Clean Guitar", "Violin", "Cello", "Clarinet", "Oboe (Orch)",
        "Trombone", "SoloTrumpet", "Dulcimer0", "Pan Flute", "Koto", "Banjo", "Kalimba", "Harmonica", "Choir Aahs1",
    ),
    "valid": ("Steel Guitar", "Bassoon", "SopSax (TB) v2.3", "Recorder", "Xylophone0"),
    "test": ("Jazz Guitar", "Viola", "English Horn", "Flute TB", "Mute Trumpet", "Marimba", "E.Piano 2", "Tenor Sax (TB) v2.3"),
}  # fmt: skip


def write(out: Path) -> None:
    """Write the task: every key of every instrument once; tuning, level and noise are drawn from one seed."""
    folder = out / f"{NAME}-v1-full"
    wheel = fetch("pypi:pretty-midi==0.2.11.post0", expect={"pretty_midi/TimGM6mb.sf2": 1})
    found = read_instruments(wheel / "pretty_midi" / "TimGM6mb.sf2")
    draw = np.random.default_rng(2021)
    labels: dict[str, dict[str, list[str]]] = {}
    for split, instruments in INSTRUMENTS.items():
        labels[split] = {}
        for instrument in instruments:
            for key in KEYS:
                name = f"{''.join(filter(str.isalnum, instrument))}_{key}.wav"
                tuned = key + draw.uniform(-CENTS, CENTS) / 100
                note = _zone(found, instrument, key).play(tuned, SECONDS, SAMPLE_RATE)
                note += draw.standard_normal(len(note)) * np.sqrt(np.mean(note**2)) * 10 ** (-draw.uniform(*SNR_DB) / 20)
                level = 10 ** draw.uniform(-1.5, -0.3)
                write_clip(folder, split, name, note * (level / float(np.abs(note).max())), SECONDS)
                labels[split][name] = [str(key)]
    metadata = {
        "task_name": NAME,
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "trainvaltest",
        "sample_duration": SECONDS,
        "evaluation": ["pitch_acc", "chroma_acc"],
        "evaluation_params": {},
    }
    write_labels(folder, metadata, [str(key) for key in KEYS], labels)


def _zone(found: dict[str, list[Zone]], instrument: str, key: int) -> Zone:
    for zone in found.get(instrument, []):
        if zone.low <= key <= zone.high:
            return zone
    raise DataError(f"expected {instrument} to play key {key}, but this sound font does not")
