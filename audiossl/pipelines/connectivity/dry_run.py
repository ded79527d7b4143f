"""What `--dry-run` adds for BOLD runs of one's own: they are read, joined and checked, and a few steps are timed."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from audiossl.console import console
from audiossl.pipelines.connectivity.checks import check_labels
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, PhenotypeTask
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design, DesignConfig
from audiossl.pipelines.connectivity.models import ModelConfig, represent
from audiossl.pipelines.connectivity.own import OwnRuns, print_rejections
from audiossl.pipelines.connectivity.rows import GraphRow, design_of, make_rows
from audiossl.pipelines.connectivity.tasks import Labelled
from audiossl.pipelines.dry_times import in_words, measure, size_in_words
from audiossl.signals.bold.run import select_runs
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.training.config import TrainingConfig

PROCESS_BYTES = 5e8  # of the interpreter and its libraries, roughly


def dry_run(config: ConnectivityRecipe, output: Path) -> None:
    """Read the runs of a folder, and print people and classes of each phenotype, time, memory and disk.

    Nothing is printed for recipes with a prepare script, which may fetch data. Files are written to a temporary folder only.

    Raises:
        ConfigError, DataError: as the run would, before anything is trained.
    """
    if config.corpus is None:
        return
    with tempfile.TemporaryDirectory(prefix="audiossl-dry-run-") as name:
        folder = Path(name) / "set"
        found = write_recordings(select_runs(OwnRuns.of(config).recordings(), config.runs), folder, one_rate=False)
        print_rejections(found)
        rows = make_rows(config)
        design = Design(Runs.open(folder), design_of(config, rows))
        runs = design.runs
        check_labels(folder, config)
        _print(f"regions  {len(runs.regions)}{f', {len(runs.left_out)} left out, which some run lacks' if runs.left_out else ''}")
        for task in config.phenotype_tasks:
            _print(f"{'':<8} {_of_task(Labelled.of(design.of_tasks, task), task)}")
        seconds = {key: _time_of(row, Path(name), config, design.config) for key, row in rows.items()}
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    _print(
        f"time     about {in_words(sum(seconds.values()))} here, and the scores: "
        + ", ".join(f"{name} {in_words(value)}" for name, value in seconds.items())
    )
    edges = len(runs.regions) * (len(runs.regions) - 1) / 2
    vectors = 4.0 * len(runs.recordings) * edges * len(config.models)
    _print(f"memory   about {size_in_words(PROCESS_BYTES + size + 2 * vectors)}")
    _print(f"disk     about {size_in_words(size + vectors)}, runs {size_in_words(size)}, in {output}")


def _of_task(found: Labelled, task: PhenotypeTask) -> str:
    of_people = dict(zip(found.subjects, found.labels, strict=True))
    lacking = f"; {len(found.left_out)} lack it" if found.left_out else ""
    if any(isinstance(label, str) for label in of_people.values()):
        counts = Counter(of_people.values())
        shown = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
        return (
            f"{task.label}: {len(of_people)} people, {shown}{lacking}; {task.options.folds} folds, {task.options.repeats} times"
        )
    low, high = min(of_people.values()), max(of_people.values())
    folds = f"{task.options.folds} folds, {task.options.repeats} times"
    return f"{task.label}: {len(of_people)} people, from {low:g} to {high:g}{lacking}; {folds}"


def _time_of(row: GraphRow, recordings: Path, config: ConnectivityRecipe, design: DesignConfig) -> float:
    """Seconds of a model for all seeds."""
    is_trained = hasattr(row, "training")
    seeds = config.seeds if row.random else config.seeds[:1]
    any_row: Any = row  # of those that train, which is a field of theirs

    def work(training: TrainingConfig, out: Path) -> None:
        short = replace(any_row, training=training) if is_trained else row
        represent(out, {"recordings": recordings}, ModelConfig(short, seeds[:1], design))

    rest, step = measure(work, config.training)
    return len(seeds) * (rest + (step * (config.training.max_steps or 1) if is_trained else 0.0))


def _print(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
