"""ASV stand-in: characters of an adventure game that were not trained on (see packaged/amazon_queen.py)."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import numpy as np

from .queen_speech import QueenSpeech
from .task_folder import write_task

MOST = {"train": 60, "valid": 15, "test": 20}  # clips of a character
MIN_SECONDS, TRIALS = 1.5, 2000


def write(out: Path, data_root: Path | None) -> None:
    """Write the task: of three characters in the order of their names one tests, of six one validates."""
    folder = out / "standin_asv_amazon_queen"
    speech = QueenSpeech(data_root)
    characters = list(speech.characters(MIN_SECONDS).items())
    tests, valid = characters[::3], characters[1::6]
    chosen = {"train": [pair for pair in characters if pair not in tests + valid], "valid": valid, "test": tests}
    rows = speech.write(folder, {part: dict(pairs) for part, pairs in chosen.items()}, MOST)
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
