"""ASV stand-in: characters of an adventure game that were not trained on (see packaged/amazon_queen.py)."""

from __future__ import annotations

import csv
import tempfile
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np

from audiossl.signals.fetch import fetch
from audiossl.signals.queen_archive import QueenArchive

from ..packaged import amazon_queen
from .task_folder import empty_rows, write_clip, write_task

MOST = {"train": 60, "valid": 15, "test": 20}  # clips of a character, evenly spread
MIN_SECONDS, TRIALS = 1.5, 2000


def write(out: Path, data_root: Path | None) -> None:
    """Write the task: of three characters in the order of their names one tests, of six one validates."""
    folder = out / "standin_asv_amazon_queen"
    root = fetch(f"deb:{amazon_queen.SOURCE}", data_root=data_root, expect={amazon_queen.ARCHIVE: 1})
    archive = QueenArchive.open(root / amazon_queen.ARCHIVE)
    spoken: dict[str, list[amazon_queen.DialogueClip]] = defaultdict(list)
    for clip in amazon_queen.dialogue_clips(archive):
        spoken[clip.character].append(clip)
    names = [
        name for name, own in sorted(spoken.items()) if sum(clip.seconds for clip in own) >= amazon_queen.MIN_CHARACTER_SECONDS
    ]
    rows = empty_rows()
    with tempfile.TemporaryDirectory() as scratch:
        for number, character in enumerate(names):
            split = {0: "test", 1: "valid", 3: "test"}.get(number % 6, "train")
            own = [clip for clip in spoken[character] if clip.seconds >= MIN_SECONDS]
            count = min(MOST[split], len(own))
            for clip in (own[i * len(own) // count] for i in range(count)):
                name = clip.name.removesuffix(".SB")
                source = Path(scratch) / f"{name}.mp3"
                source.write_bytes(archive.read(clip.name))
                rows[split].append({
                    "id": name, "wav_path": write_clip(folder, name, source), "label": character, "group": clip.dialogue,
                })  # fmt: skip
    for split in ("valid", "test"):
        _write_trials(folder / f"{split}_trials.csv", rows[split])
    write_task(
        folder, "ASV", rows, {"updates": 300, "lr": 1e-3, "evaluations": 3, "hidden": 128},
        "Flight of the Amazon Queen: characters, not people; a head of 128 instead of 512 between its wide layers",
    )  # fmt: skip


def _write_trials(path: Path, rows: list[dict[str, object]]) -> None:
    """As many pairs of one character as of two, drawn from one seed."""
    pairs: dict[bool, list[tuple[object, object]]] = {True: [], False: []}
    for one, other in combinations(rows, 2):
        pairs[one["label"] == other["label"]].append((one["id"], other["id"]))
    draw = np.random.default_rng(2021)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id1", "id2", "same"])
        for same, found in pairs.items():
            for i in sorted(draw.permutation(len(found))[: TRIALS // 2]):
                writer.writerow([*found[i], int(same)])
