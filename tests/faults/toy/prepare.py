"""Melodies of three tones: a corpus that takes no network and no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from audiossl.files import write_jsonl
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus

PITCHES = {"low": 300.0, "middle": 700.0, "high": 1500.0}
CLIPS, SECONDS = 24, 0.3


def melody(number: int) -> list[str]:
    return list(np.random.default_rng(number).choice(list(PITCHES), 4))


def write_melodies(folder: Path) -> None:
    """Write the clips, and one that is broken."""
    time = np.arange(round(16000 * SECONDS)) / 16000
    for number in range(CLIPS):
        tones = [np.sin(2 * np.pi * PITCHES[tone] * time) for tone in melody(number)]
        noise = np.random.default_rng(number + 1000).standard_normal(4 * len(time))  # so that probes are not all right
        soundfile.write(folder / f"{number:02d}.wav", 0.1 * (np.concatenate(tones) + 2 * noise), 16000)
    (folder / "broken.wav").write_bytes(b"RIFF")


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    paths = sorted((data_root or Path()).glob("*.wav"))
    build_corpus([Item(id=path.stem, path=path, custom={"prompt": path.stem}) for path in paths], out)


def prepare_labels(out: Path, corpus: Corpus, data_root: Path | None, limit: int | None) -> None:
    """Write which tone sounds when."""
    rows = [
        {"id": item.id, "segments": [[tone, i * SECONDS, (i + 1) * SECONDS] for i, tone in enumerate(melody(int(item.id)))]}
        for item in corpus.items
    ]
    write_jsonl(out / "tones.jsonl", rows)
