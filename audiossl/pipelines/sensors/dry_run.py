"""What `--dry-run` adds for sensor recordings of one's own: they are read, divided and checked, and a few steps are timed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from audiossl.console import console
from audiossl.pipelines.dry_times import in_words, measure, size_in_words
from audiossl.pipelines.sensors.cases import own_source
from audiossl.pipelines.sensors.checks import check_labels
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFold, SensorFolds, rejections
from audiossl.pipelines.sensors.rows import Row, make_rows
from audiossl.signals.sensors.recording_set import write_recordings

MOST_CLASSES = 8  # in a line
PROCESS_BYTES = 5e8  # of the interpreter and its libraries, roughly


def dry_run(config: SensorsRecipe, output: Path) -> None:
    """Read the recordings of a corpus, and print who is on which side with how many windows of each class, time, memory and disk.

    Nothing is printed for recipes with a prepare script, which may fetch data. Files are written to a temporary folder only.

    Raises:
        ConfigError, DataError: as the run would, before anything is trained.
    """
    if config.corpus is None:
        return
    with tempfile.TemporaryDirectory(prefix="audiossl-dry-run-") as name:
        found = write_recordings(own_source(config).recordings(), Path(name) / "set")
        if said := rejections(found):
            _print(said)
        folds = SensorFolds(found.folder, FoldsConfig.of(config))
        check_labels(folds)
        _print_windows(folds)
        fold = folds.open(0)
        seconds = {name: _time_of(row, fold, folds, config) for name, row in make_rows(config).items() if not row.reads}
        size = sum(file.stat().st_size for file in found.folder.rglob("*") if file.is_file())
    _print(
        f"time     about {in_words(sum(seconds.values()))} here: " + ", ".join(f"{k} {in_words(v)}" for k, v in seconds.items())
    )
    windows = float(fold.windows.values.nbytes)
    _print(f"memory   about {size_in_words(PROCESS_BYTES + 2 * windows)}, of which windows {size_in_words(windows)}")
    features = 4.0 * len(fold.task.rows) * 3 * config.encoder.dim * len(config.models) * len(folds) * len(config.seeds)
    _print(f"disk     about {size_in_words(size + features)}, recordings {size_in_words(size)}, in {output}")


def _print_windows(folds: SensorFolds) -> None:
    config = folds.config
    rate = folds.recordings.rows[0]["rate"]
    labels = folds.labels
    _print(
        f"windows  {labels.windows} of {config.windows.seconds:g} s ({round(config.windows.seconds * rate)} samples), "
        f"{labels.labelled} with a label{f'; {labels}' if str(labels) else ''}"
    )
    subjects = [row["subject"] for row in folds.recordings.rows]
    counts: dict[str, Counter[str]] = {name: Counter() for name in subjects}
    for window in folds.places:
        if window.value is not None:
            counts[subjects[window.recording]][str(window.value) if isinstance(window.value, str) else "values"] += 1
    for number, sides in enumerate(folds.sides):
        for side, names in (("train", sides.train), ("valid", sides.valid), ("test", sides.test)):
            _print(f"{f'fold {number + 1}' if side == 'train' else '':<8} {side} {_of_side(names, counts)}")


def _of_side(names: tuple[str, ...], counts: Mapping[str, Counter[str]]) -> str:
    found: Counter[str] = sum((counts[name] for name in names), Counter())
    shown = [f"{label} {count}" for label, count in sorted(found.items())[:MOST_CLASSES]]
    more = f", {len(found) - MOST_CLASSES} more" if len(found) > MOST_CLASSES else ""
    return f"{len(names)} ({', '.join(names[:4])}{', ...' * (len(names) > 4)}): {', '.join(shown)}{more}"


def _time_of(row: Row, fold: SensorFold, folds: SensorFolds, config: SensorsRecipe) -> float:
    """Seconds of a row in all folds and for all seeds."""
    trained: Any = row
    seeds = config.seeds if row.random else config.seeds[:1]
    rest, step = measure(
        lambda training, out: (replace(trained, training=training) if hasattr(row, "training") else row).represent(
            fold, seeds[0], out
        ),
        config.training,
    )
    steps = config.training.max_steps or round(config.training.epochs * len(fold.windows) / config.batches.size)
    return len(folds) * len(seeds) * (rest + (step * steps if hasattr(row, "training") else 0.0))


def _print(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
