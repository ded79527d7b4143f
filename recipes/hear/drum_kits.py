"""Stand-in for a scene task with preset folds: the class of a drum stroke, kits held out (see packaged/drumkits.py)."""

from __future__ import annotations

from pathlib import Path

from audiossl.signals.audio import read_audio
from audiossl.signals.fetch import fetch

from ..packaged.drumkits import CLASSES, COUNTS, KITS, SOURCE, choose
from .task_folder import SAMPLE_RATE, write_clip, write_labels

NAME = "standin_drum_kits"
FOLDS, SECONDS = 5, 1.0


def strokes() -> dict[str, list[tuple[Path, str]]]:
    """Labelled strokes of each kit: (file, class)."""
    root = fetch(f"deb:{SOURCE}", expect={f"{KITS}/*/*.{end}": n for end, n in COUNTS.items()}) / KITS
    found = {kit.parent.name: choose(kit) for kit in sorted(root.glob("*/drumkit.xml"))}
    return {kit: chosen for kit, chosen in found.items() if chosen}


def write(out: Path) -> None:
    """Write the task: kits in turn make the folds."""
    folder = out / f"{NAME}-v1-full"
    labels: dict[str, dict[str, list[str]]] = {f"fold{fold:02d}": {} for fold in range(FOLDS)}
    for number, (kit, chosen) in enumerate(strokes().items()):
        split = f"fold{number % FOLDS:02d}"
        for place, (path, label) in enumerate(chosen):
            name = f"{kit}_{place:02d}.wav".replace(" ", "_")
            write_clip(folder, split, name, read_audio(path, SAMPLE_RATE)[0].numpy(), SECONDS)
            labels[split][name] = [label]
    metadata = {
        "task_name": NAME,
        "embedding_type": "scene",
        "prediction_type": "multiclass",
        "split_mode": "presplit_kfold",
        "sample_duration": SECONDS,
        "evaluation": ["top1_acc", "mAP", "d_prime", "aucroc"],
        "evaluation_params": {},
    }
    write_labels(folder, metadata, list(CLASSES), labels)
