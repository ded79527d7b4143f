"""Small generated data: an untrained encoder, and true layouts of LibriSpeech and AudioSet with tones for words and sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from audiossl.models import hub
from audiossl.models.zipformer import Zipformer

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
RATE = 16000
WORDS = {"ONE": 400.0, "TWO": 900.0, "THREE": 1800.0, "FOUR": 3500.0}


def save_encoder(folder: Path) -> Path:
    """A tiny untrained Zipformer in the public layout."""
    torch.manual_seed(3)
    sizes = {"encoder_dim": [32] * 5, "feedforward_dim": [48] * 5, "encoder_unmasked_dim": [16] * 5, "num_mel_bins": 40}
    hub.save(Zipformer.from_preset("tiny", **sizes), folder)
    return folder


def tone(hz: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * hz * time) * np.hanning(len(time))


def speak(text: str) -> np.ndarray:
    """A tone of 0.4 s for each word, after a little noise."""
    noise = np.random.default_rng(len(text)).normal(scale=1e-3, size=round(0.1 * RATE))
    return np.concatenate([noise, *(tone(WORDS[word], 0.4) for word in text.split()), noise])


def make_librispeech(root: Path, parts=("train-clean-100", "dev-clean", "test-clean", "test-other")) -> Path:
    """Two speakers a part, two utterances each."""
    texts = ["ONE TWO THREE", "FOUR ONE", "THREE FOUR TWO", "TWO ONE FOUR"]
    for index, part in enumerate(parts):
        for speaker in (100 + 2 * index, 101 + 2 * index):
            folder = root / "LibriSpeech" / part / str(speaker) / "7"
            folder.mkdir(parents=True)
            names = [f"{speaker}-7-{number:04d}" for number in range(2)]
            said = dict(zip(names, texts[2 * (speaker % 2) :], strict=False))
            for name, text in said.items():
                soundfile.write(folder / f"{name}.flac", speak(text), RATE)
            (folder / f"{speaker}-7.trans.txt").write_text("".join(f"{name} {text}\n" for name, text in said.items()))
    return root


TAGS = {"/m/09x0r": "Speech", "/m/04rlf": "Music", "/t/dd00088": "Gush, splash", "/m/never": "Never"}


def make_audioset(root: Path, count: int = 6) -> Path:
    """A tone a tag; the first clip of each part has no file, the others are named in three ways."""
    hz = dict(zip(TAGS, WORDS.values(), strict=True))
    mids = list(TAGS)[:3]
    for part in ("balanced_train", "eval"):
        lines = [
            "# Segments csv created Sun Mar  5 10:54:31 2017",
            "# num_ytids=6",
            "# YTID, start_seconds, end_seconds, positive_labels",
        ]
        for index in range(count):
            video, tags = f"-{part[:4]}_{index:05d}", [mids[index % 3], *([mids[0]] if index % 2 else [])]
            tags = list(dict.fromkeys(tags))
            lines.append(f'{video}, 30.000, 40.000, "{",".join(tags)}"')
            if index:
                name = [f"{video}", f"Y{video}", f"{video}_30.000"][index % 3]
                folder = root / "wav" / part
                folder.mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / f"{name}.wav", sum(tone(hz[tag], 1.0) for tag in tags), RATE)
        (root / f"{part}_segments.csv").write_text("\n".join(lines) + "\n")
    rows = [f'{index},{mid},"{name}"' for index, (mid, name) in enumerate(TAGS.items())]
    (root / "class_labels_indices.csv").write_text("index,mid,display_name\n" + "\n".join(rows) + "\n")
    return root
