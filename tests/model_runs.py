"""Folders as runs leave them: an encoder, scores, what it was trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import soundfile

from audiossl.evaluation.results import ResultRow, write_results
from audiossl.files import write_json
from audiossl.signals.corpora.corpus import Item, build_corpus

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = (
    ResultRow("calls", "speaker", "student", "accuracy", 0.8125, 0.7031, 0.9017, 64, 8),
    ResultRow("calls", "speaker", "logmel", "accuracy", 0.5469, 0.4312, 0.6583, 64, 8),
    ResultRow("calls", "speaker", "student", "knn_accuracy", 0.7656, None, None, 64, 8),
)


def write_run(run: Path, checkpoint: Path) -> Path:
    """A run of `spear` on four recordings of a second each, three of them for training."""
    shutil.copytree(checkpoint, run / "pretrain" / "student")
    folder = run.parent / "recordings"
    folder.mkdir()
    items = []
    for number, (speaker, language) in enumerate((("anna", "en"), ("anna", "es"), ("bert", "en"), ("carla", "fi"))):
        soundfile.write(folder / f"{number}.wav", np.sin(np.arange(16000) * (0.1 + number)) / 3, 16000)
        items.append(Item(f"c{number}", folder / f"{number}.wav", speaker=speaker, language=language))
    build_corpus(items, run / "corpus" / "corpus", progress=False)
    write_json(run / "corpus" / "splits.json", {"train": ["c0", "c1", "c2"], "valid": [], "test": ["c3"]})
    config = {"dataset": "calls", "seed": 3, "objective": {"targets": "tokens"}, "teacher": {"encoder": "hama", "layer": 2}}
    write_json(run / "recipe.json", {"recipe": "spear.yaml", "config": config})
    write_json(run / "evaluate" / "stage.json", {"versions": {"commit": COMMIT}})
    write_json(run / "evaluate" / "details.json", {"speaker": {"models": {"student": {"number": 2}}, "differences": {}}})
    write_results(run / "evaluate" / "results.json", ROWS)
    write_results(run / "results.json", ROWS)
    return run
