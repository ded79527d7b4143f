"""SD, SS and SE stand-ins: mixtures of Asterisk's voices with each other, and with Wesnoth's music.

No prompt name is in two tables; the four voices are in all of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from audiossl.signals.audio import probe, read_audio
from audiossl.signals.fetch import fetch

from ..asterisk.prepare import prompts
from ..packaged.sounds import SOURCES
from .task_folder import SAMPLE_RATE, empty_rows, write_task

COUNTS = {"train": 160, "valid": 16, "test": 32}
SECONDS = {"SD": 10.0, "SS": 3.0, "SE": 3.0}
MIN_SECONDS = 0.8
Voice = dict[str, list[Path]]  # files by table


def write(out: Path, data_root: Path | None) -> None:
    """Write the three tasks; all draws come from one seed."""
    draw = np.random.default_rng(2021)
    voices = [_voice(language, data_root) for language in ("en", "fr", "it", "ru")]
    _write_diarization(out / "standin_sd_asterisk", voices, draw)
    _write_separation(out / "standin_ss_asterisk", voices, draw)
    _write_enhancement(out / "standin_se_asterisk", voices, data_root, draw)


def _voice(language: str, data_root: Path | None) -> Voice:
    found: Voice = {split: [] for split in COUNTS}
    for item in prompts(language, data_root, None):
        name = str(item.custom["prompt"])
        part = hashlib.blake2b(name.encode(), digest_size=1).digest()[0] % 10
        # One of the Russian prompts is an empty file.
        if item.path.stat().st_size and probe(item.path).duration >= MIN_SECONDS:
            found[{0: "valid", 1: "test", 2: "test"}.get(part, "train")].append(item.path)
    return found


def _speech(files: list[Path], draw: np.random.Generator, seconds: float) -> Float[np.ndarray, "S"]:
    """Prompts one after the other until they are long enough, each at the same level."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        samples = read_audio(files[int(draw.integers(len(files)))], SAMPLE_RATE)[0].numpy()
        parts.append(_at_level(samples, 0.05))
    return np.concatenate(parts)[: round(seconds * SAMPLE_RATE)]


def _at_level(samples: Float[np.ndarray, "S"], level: float) -> Float[np.ndarray, "S"]:
    return samples * (level / max(1e-5, float(np.sqrt(np.mean(samples**2)))))


def _save(folder: Path, name: str, samples: Float[np.ndarray, "S"]) -> str:
    path = folder / "wav" / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(samples, -1, 1), SAMPLE_RATE, subtype="PCM_16")
    return path.relative_to(folder).as_posix()


def _two(voices: list[Voice], draw: np.random.Generator) -> tuple[Voice, Voice]:
    one, other = draw.permutation(len(voices))[:2]
    return voices[one], voices[other]


def _write_diarization(folder: Path, voices: list[Voice], draw: np.random.Generator) -> None:
    """Ten seconds in which two voices take turns, each prompt beginning up to a second before the last one ends, or after."""
    rows = empty_rows()
    for split, count in COUNTS.items():
        for clip in range(count):
            pair = _two(voices, draw)
            mixture, segments = np.zeros(round(SECONDS["SD"] * SAMPLE_RATE), np.float32), []
            at, turn = draw.uniform(0, 1), int(draw.integers(2))
            while at < SECONDS["SD"] - 0.5:
                samples = _speech(pair[turn][split], draw, 0.01 + draw.uniform(0.8, 2.5))
                first = round(at * SAMPLE_RATE)
                kept = samples[: len(mixture) - first]
                mixture[first : first + len(kept)] += kept
                segments.append(f"{'AB'[turn]}:{first / SAMPLE_RATE:.3f}-{(first + len(kept)) / SAMPLE_RATE:.3f}")
                at += len(kept) / SAMPLE_RATE + draw.uniform(-1.0, 0.6)
                turn = int(draw.random() < 0.3) ^ 1 ^ turn
            name = f"{split}_{clip:03d}"
            rows[split].append({"id": name, "wav_path": _save(folder, name, mixture), "segments": " ".join(segments)})
    write_task(
        folder, "SD", rows, {"updates": 250, "lr": 1e-3, "evaluations": 5, "hidden": 128},
        "Asterisk voices taking turns; pauses within a prompt count as speech; a head of 128 cells instead of 512",
    )  # fmt: skip


def _write_separation(folder: Path, voices: list[Voice], draw: np.random.Generator) -> None:
    rows = empty_rows()
    for split, count in COUNTS.items():
        for clip in range(count):
            name = f"{split}_{clip:03d}"
            sources = [
                _speech(voice[split], draw, SECONDS["SS"]) * 10 ** (draw.uniform(-2.5, 2.5) / 20) for voice in _two(voices, draw)
            ]
            paths = [_save(folder, f"{name}_{number}", source) for number, source in enumerate(sources, 1)]
            path = _save(folder, name, np.sum(sources, axis=0))
            rows[split].append({"id": name, "wav_path": path, "source1_path": paths[0], "source2_path": paths[1]})
    write_task(
        folder, "SS", rows, {"updates": 200, "lr": 1e-3, "evaluations": 2, "hidden": 128},
        "Asterisk voices, two at a time; the voices of the test are trained on; a head of 128 cells instead of 896",
    )  # fmt: skip


def _write_enhancement(folder: Path, voices: list[Voice], data_root: Path | None, draw: np.random.Generator) -> None:
    package = "wesnoth-1.16-music"
    place, suffix, number = SOURCES[package]
    root = fetch(f"deb:{package}", data_root=data_root, expect={f"{place}/*.{suffix}": number}) / place
    tracks = [path for path in sorted(root.glob(f"*.{suffix}")) if probe(path).duration > SECONDS["SE"] + 1]
    parts = {"train": tracks[0::2], "valid": tracks[1::4], "test": tracks[3::4]}
    rows = empty_rows()
    for split, count in COUNTS.items():
        for clip in range(count):
            name = f"{split}_{clip:03d}"
            clean = _speech(voices[int(draw.integers(len(voices)))][split], draw, SECONDS["SE"])
            track = parts[split][int(draw.integers(len(parts[split])))]
            begin = draw.uniform(0, probe(track).duration - SECONDS["SE"] - 0.1)
            noise = read_audio(track, SAMPLE_RATE, begin, SECONDS["SE"])[0].numpy()[: len(clean)]
            noise = np.pad(noise, (0, len(clean) - len(noise)))
            mixture = clean + _at_level(noise, 0.05 * 10 ** (-draw.uniform(0, 10) / 20))
            paths = [_save(folder, f"{name}_clean", clean), _save(folder, name, mixture)]
            rows[split].append({"id": name, "wav_path": paths[1], "clean_path": paths[0]})
    write_task(
        folder, "SE", rows, {"updates": 200, "lr": 1e-3, "evaluations": 2, "hidden": 128},
        "Asterisk voices in music at 0 to 10 dB; a head of 128 cells instead of 896",
    )  # fmt: skip
