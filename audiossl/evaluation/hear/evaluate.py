"""Evaluate an encoder on HEAR tasks: rows with intervals, and every fold's scores next to them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.hear.embeddings import embed_task
from audiossl.evaluation.hear.event_counts import EventCounts
from audiossl.evaluation.hear.model import HearModel
from audiossl.evaluation.hear.predictor import Grid
from audiossl.evaluation.hear.protocol import FoldResult, evaluate_folds
from audiossl.evaluation.hear.scores import SCORES, file_counts, score_clips
from audiossl.evaluation.hear.task import HearTask, find_tasks, read_task
from audiossl.evaluation.intervals import MOST_PARTS, Interval, divide_groups, leave_out_interval, mean_interval, range_of
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.files import read_json, write_json
from audiossl.progress import show_progress
from audiossl.seeds import derive_generator


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
        model: an encoder by the interface of HEAR.
        tasks: folder of task folders.
        out: folder that is written.
        name: name of the model in the rows.
        only: names of task folders; all by default.
        grid, num_points: grid of the kit, and how many of its points are tried; other than the defaults give other scores.
        device: device of the predictors.

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


def rows_of_kit(scores: Mapping[str, Mapping[str, object]], tasks: Path, name: str) -> list[ResultRow]:
    """Rows of what heareval wrote, `test.predicted-scores.json` by task; it has no intervals."""
    rows = []
    for folder, found in scores.items():
        task = read_task(tasks / folder)
        for score in task.scores:
            key = f"test_{score}" if len(task.folds()) == 1 else f"test_{score}_mean"
            value = cast(Mapping[str, float | None], found["test" if len(task.folds()) == 1 else "aggregated_scores"])[key]
            if value is not None and math.isfinite(value):
                count = sum(len(task.files(split)) for fold in task.folds() for split in fold.test)
                rows.append(ResultRow(folder, "hear", name, score, value, None, None, count))
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
        "interval": {name: [interval.low, interval.high] for name, interval in intervals.items()},
        "groups": {name: interval.groups for name, interval in intervals.items()},
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


def _interval(task: HearTask, name: str, results: Sequence[FoldResult]) -> Interval:
    """The mean over rotations with its 95 % interval over test files."""
    return mean_interval(
        [_interval_of_fold(task, name, result, MOST_PARTS // len(results)) for result in results], range_of(name)
    )


def _interval_of_fold(task: HearTask, name: str, result: FoldResult, most_parts: int) -> Interval:
    """A score of one rotation; its test files are left out in turn, or some at a time."""
    if task.embedding_type == "scene":
        targets, count = result.test.targets.astype(np.float32), len(result.test.targets)

        def score(kept: Bool[np.ndarray, "N"]) -> float:
            return score_clips([name], result.probabilities[kept], targets[kept])[name]
    else:
        reference = {file: events for split in result.fold.test for file, events in task.events[split].items()}
        counts = [file_counts(name, reference, result.events, file) for file in result.events]
        count, part = len(counts), SCORES[name].parts[0]

        def score(kept: Bool[np.ndarray, "N"]) -> float:
            return getattr(sum((counts[i] for i in np.flatnonzero(kept)), EventCounts()), part)

    parts = divide_groups(count, max(2, most_parts), derive_generator(0, task.folder.name, name, result.fold.name)).numpy()
    without = [score(parts != number) if (parts != number).any() else math.nan for number in range(int(parts.max()) + 1)]
    sizes = torch.from_numpy(np.bincount(parts)).double()
    return leave_out_interval(result.scores[name], torch.tensor(without, dtype=torch.float64), sizes, range_of(name), count)


def _rows(task: HearTask, found: Mapping[str, Any], name: str) -> list[ResultRow]:
    rows = []
    for score in task.scores:
        value, (low, high) = found["mean"][score], found["interval"][score]
        groups = found.get("groups", {}).get(score)  # an earlier version did not count them
        if value is None and score == task.scores[0]:
            raise DataError(f"{task.folder.name}: {score} of the test split is not finite; see scores/{task.folder.name}.json")
        if value is not None:  # d' is infinite where a class is ranked perfectly: it stays in the scores file
            ends = (None, None) if low is None or high is None else (low, high)
            rows.append(ResultRow(task.folder.name, "hear", name, score, value, *ends, found["n"], groups))
    return rows


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
