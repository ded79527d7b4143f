"""Evaluate an encoder on HEAR tasks: rows with intervals, and every fold's scores beside them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.hear.embeddings import embed_task
from audiossl.evaluation.hear.events import EventCounts
from audiossl.evaluation.hear.predictor import Grid
from audiossl.evaluation.hear.protocol import FoldResult, evaluate_folds
from audiossl.evaluation.hear.scores import SCORES, file_counts, score_clips
from audiossl.evaluation.hear.task import HearTask, find_tasks, read_task
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.export.hear import HearModel
from audiossl.files import read_json, write_json
from audiossl.progress import show_progress
from audiossl.seeds import derive_seed

NUM_RESAMPLES = 200


def evaluate_hear(
    model: HearModel,
    tasks: Path,
    out: Path,
    name: str,
    only: Sequence[str] = (),
    grid: Grid = "default",
    num_points: int = 8,
    device: str = "cpu",
) -> list[ResultRow]:
    """Embed, tune, train and test every task; what an earlier call finished in `out` is kept.

    All task folders are read before the first is embedded, and `results.json` is written when all are scored. Beside it
    `scores/TASK.json` holds every fold, `embeddings/TASK/` the vectors.

    Args:
        model: of `audiossl.export.hear`.
        tasks: folder of task folders.
        out: folder that is written.
        name: of the model in the rows.
        only: names of task folders; all by default.
        grid, num_points: of the kit; other than the defaults give other scores.
        device: of the predictors.

    Raises:
        DataError: if a task folder or its audio is not as expected.
        ConfigError: if `only` names a task that is not there.
    """
    folders = find_tasks(tasks)
    if unknown := sorted(set(only) - {folder.name for folder in folders}):
        raise ConfigError(f"no task {', '.join(unknown)} in {tasks}; there are {', '.join(folder.name for folder in folders)}")
    chosen = [read_task(folder) for folder in folders if not only or folder.name in only]
    (out / "results.json").unlink(missing_ok=True)
    rows: list[ResultRow] = []
    for task in chosen:
        with show_progress(task.folder.name) as progress:
            splits = embed_task(model, task, out / "embeddings" / task.folder.name, progress)
            file = out / "scores" / f"{task.folder.name}.json"
            key = _key(out / "embeddings" / task.folder.name, task, grid, num_points)
            if not file.is_file() or read_json(file).get("key") != key:
                results = evaluate_folds(task, splits, grid, num_points, device, progress)
                write_json(file, {"key": key, **_description(task, results, grid, num_points)})
        rows += _rows(task, read_json(file), name)
    write_results(out / "results.json", rows)
    return rows


def rows_of_kit(scores: Mapping[str, Mapping[str, Any]], tasks: Path, name: str) -> list[ResultRow]:
    """Rows of what heareval wrote, `test.predicted-scores.json` by task; it has no intervals, so both ends are the value."""
    rows = []
    for folder, found in scores.items():
        task = read_task(tasks / folder)
        for score in task.scores:
            key = f"test_{score}" if len(task.folds()) == 1 else f"test_{score}_mean"
            value = (found["test"] if len(task.folds()) == 1 else found["aggregated_scores"])[key]
            if value is not None and math.isfinite(value):
                count = sum(len(task.files(split)) for fold in task.folds() for split in fold.test)
                rows.append(ResultRow(folder, "hear", name, score, value, value, value, count))
    return rows


def _key(embeddings: Path, task: HearTask, grid: str, num_points: int) -> str:
    described: list[Any] = [read_json(embeddings / f"{split}.json")["key"] for split in task.splits]
    described += [(task.folder / name).read_text(encoding="utf-8") for name in ("task_metadata.json", "labelvocabulary.csv")]
    described += [(task.folder / f"{split}.json").read_text(encoding="utf-8") for split in task.splits]
    return hashlib.blake2b(json.dumps([*described, grid, num_points]).encode(), digest_size=16).hexdigest()


def _description(task: HearTask, results: Sequence[FoldResult], grid: str, num_points: int) -> dict[str, Any]:
    """Everything that is kept of a task, as JSON."""
    names = list(results[0].scores)
    values = {name: np.array([result.scores[name] for result in results]) for name in names}
    intervals = {name: _interval(task, name, results) for name in task.scores}
    return {
        "grid": grid,
        "grid_points": num_points,
        "chosen_by": task.scores[0] if task.by_score else "validation loss",
        "settings": dict(results[0].trained.settings),
        "n": sum(len(set(result.test.files)) for result in results),
        "mean": {name: float(found.mean()) if np.isfinite(found).all() else None for name, found in values.items()},
        # Over rotations, with k - 1 below, as the kit reports it.
        "std": {
            name: float(found.std(ddof=1)) if len(found) > 1 and np.isfinite(found).all() else None
            for name, found in values.items()
        },
        "interval": {name: [_finite(end) for end in ends] for name, ends in intervals.items()},
        "folds": {
            result.fold.name: {
                **{name: _finite(value) for name, value in result.scores.items()},
                "validation": _finite(result.trained.validation.value),
                "epoch": result.trained.epoch,
                "postprocessing": result.trained.validation.choice,
            }
            for result in results
        },
    }


def _interval(task: HearTask, name: str, results: Sequence[FoldResult]) -> tuple[float, float]:
    """95 % interval of the mean over rotations, the test files of each drawn anew."""
    generator = np.random.default_rng(derive_seed(0, task.folder.name, name, "bootstrap"))
    drawn = np.array([_resampled(task, name, result, generator) for result in results])
    drawn = drawn[:, np.isfinite(drawn).all(0)].mean(0)
    if not len(drawn):
        return math.nan, math.nan
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _resampled(task: HearTask, name: str, result: FoldResult, generator: np.random.Generator) -> list[float]:
    if task.embedding_type == "scene":
        targets, count = result.test.targets.astype(np.float32), len(result.test.targets)
        picks = (generator.integers(count, size=count) for _ in range(NUM_RESAMPLES))
        return [score_clips([name], result.probabilities[pick], targets[pick])[name] for pick in picks]
    reference = {file: events for split in result.fold.test for file, events in task.events[split].items()}
    counts = [file_counts(name, reference, result.events, file) for file in result.events]
    picks = (generator.integers(len(counts), size=len(counts)) for _ in range(NUM_RESAMPLES))
    part = SCORES[name].parts[0]
    return [getattr(sum((counts[i] for i in pick), EventCounts()), part) for pick in picks]


def _rows(task: HearTask, found: Mapping[str, Any], name: str) -> list[ResultRow]:
    rows = []
    for score in task.scores:
        value, (low, high) = found["mean"][score], found["interval"][score]
        if value is None and score == task.scores[0]:
            raise DataError(f"{task.folder.name}: {score} of the test split is not finite; see scores/{task.folder.name}.json")
        if value is not None:  # d' is infinite where a class is ranked perfectly: it stays in the scores file
            ends = (value if low is None else min(low, value), value if high is None else max(high, value))
            rows.append(ResultRow(task.folder.name, "hear", name, score, value, *ends, found["n"]))
    return rows


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
