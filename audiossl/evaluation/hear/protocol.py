"""How HEAR's evaluation kit tunes, trains and tests on one task: 8 points of a grid, folds, one seed (heareval 2021.1.3)."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.hear.event_counts import FileEvents
from audiossl.evaluation.hear.events import find_events
from audiossl.evaluation.hear.predictor import (
    GRIDS,
    Grid,
    Labelled,
    PredictorSettings,
    Trained,
    Validation,
    predict,
    train_predictor,
)
from audiossl.evaluation.hear.scores import SCORES, score_clips, score_events
from audiossl.evaluation.hear.task import Fold, HearTask
from audiossl.progress import Report, silent

SEED = 42


@dataclass(frozen=True)
class Split:
    """Embeddings of a split, files in the kit's order.

    Attributes:
        embeddings: embeddings of clips, or of all frames of all files.
        targets: multi-hot labels of each row.
        files: name of each row's file.
        times: milliseconds of each row, for event tasks.
    """

    embeddings: Float32[np.ndarray, "N D"]
    targets: Bool[np.ndarray, "N K"]
    files: list[str]
    times: Float64[np.ndarray, "N"] | None = None


@dataclass(frozen=True)
class FoldResult:
    """What one predictor made of its test split.

    Attributes:
        scores: scores by name.
        trained: the predictor.
        probabilities: probabilities of the test rows, (N, K).
        test: the rows.
        events: found in each test file, of event tasks.
    """

    fold: Fold
    scores: Mapping[str, float]
    trained: Trained
    probabilities: Float32[np.ndarray, "N K"]
    test: Split
    events: Mapping[str, FileEvents]


def grid_points(grid: Grid, task: HearTask, count: int) -> list[PredictorSettings]:
    """The first `count` points of a grid in the kit's order, which is a shuffle after its seed: always the same ones."""
    from sklearn.model_selection import ParameterGrid

    points = [cast(PredictorSettings, point) for point in ParameterGrid({**GRIDS[grid], **task.settings})]
    random.Random(SEED).shuffle(points)
    return points[:count]


def evaluate_folds(
    task: HearTask,
    splits: Mapping[str, Split],
    grid: Grid = "default",
    num_points: int = 8,
    device: torch.device | str = "cpu",
    progress: Report = silent,
) -> list[FoldResult]:
    """Tune on the first rotation, train all of them with what was best, and test each once.

    The seed is set once: later predictors depend on earlier ones, as in the kit. The state of torch's generators outside is kept.

    Args:
        task: task whose protocol it is.
        splits: splits by name.
        grid: grid of settings.
        num_points: number of points to try.
        device: device of the predictors.
        progress: function that is called with what runs, how many predictors are trained and how many there will be.

    Raises:
        DataError: if no predictor has a finite score to be chosen by.
    """
    folds, points = task.folds(), grid_points(grid, task, num_points)
    total = len(points) + len(folds) - 1
    first = SCORES[task.scores[0]]
    maximise = first.maximise if task.by_score else False

    def train(fold: Fold, settings: PredictorSettings, what: str, done: int) -> Trained:
        progress(what, done, total)
        valid = _joined(splits, fold.valid)
        return train_predictor(
            _labelled(_joined(splits, fold.train)), _labelled(valid), task.prediction_type == "multilabel", settings,
            lambda probabilities, loss: _validate(task, valid, fold, probabilities, loss), maximise, device,
        )  # fmt: skip

    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        tried = [train(folds[0], point, "grid", done) for done, point in enumerate(points)]
        best = sorted(tried, key=lambda trained: trained.validation.value, reverse=maximise)[0]
        if not math.isfinite(best.validation.value):
            raise DataError(
                f"{task.folder.name}: {task.scores[0]} of the validation split is not finite for any of {len(points)} settings: "
                "a class without a clip there, or no event found"
            )
        chosen = [best]
        chosen += [train(fold, best.settings, fold.name, len(points) + done) for done, fold in enumerate(folds[1:])]
        progress("test", total, total)
        return [_test(task, splits, fold, trained, device) for fold, trained in zip(folds, chosen, strict=True)]


def _validate(task: HearTask, valid: Split, fold: Fold, probabilities: Float32[Tensor, "N K"], loss: float) -> Validation:
    if not task.by_score:
        return Validation(loss, _only_postprocessing(task) if task.embedding_type == "event" else None)
    name = task.scores[0]
    if task.embedding_type == "scene":
        return Validation(score_clips([name], probabilities.numpy(), valid.targets.astype(np.float32))[name])
    from sklearn.model_selection import ParameterGrid

    reference = _reference(task, fold.valid)
    found = []
    for choice in (tuple(point.items()) for point in ParameterGrid(dict(task.postprocessing))):
        value = score_events([name], reference, _events(task, valid, probabilities.numpy(), dict(choice)))[name]
        found.append((0.0 if math.isnan(value) else value, choice))
    best = sorted(found, reverse=True)[0][1]
    value = score_events([name], reference, _events(task, valid, probabilities.numpy(), dict(best)))[name]
    return Validation(value, dict(best))


def _test(task: HearTask, splits: Mapping[str, Split], fold: Fold, trained: Trained, device: torch.device | str) -> FoldResult:
    test = _joined(splits, fold.test)
    logits, _ = predict(trained.predictor, _labelled(test), trained.settings["batch_size"], device)
    probabilities = trained.predictor.probabilities(logits).numpy()
    if task.embedding_type == "scene":
        scores, events = score_clips(task.scores, probabilities, test.targets.astype(np.float32)), {}
    else:
        events = _events(task, test, probabilities, trained.validation.choice or {})
        scores = score_events(task.scores, _reference(task, fold.test), events)
    return FoldResult(fold, scores, trained, probabilities, test, events)


def _only_postprocessing(task: HearTask) -> dict[str, float | int]:
    return {name: values[0] for name, values in task.postprocessing.items()}


def _reference(task: HearTask, names: tuple[str, ...]) -> dict[str, FileEvents]:
    return {file: events for name in names for file, events in task.events[name].items()}


def _events(
    task: HearTask, split: Split, probabilities: Float32[np.ndarray, "N K"], choice: Mapping[str, float | int]
) -> dict[str, FileEvents]:
    assert split.times is not None
    found: dict[str, FileEvents] = {}
    first = 0
    for last in range(1, len(split.files) + 1):
        if last == len(split.files) or split.files[last] != split.files[first]:
            rows = slice(first, last)
            found[split.files[first]] = find_events(probabilities[rows], split.times[rows], task.vocabulary, **choice)
            first = last
    return found


def _joined(splits: Mapping[str, Split], names: tuple[str, ...]) -> Split:
    parts = [splits[name] for name in names]
    if len(parts) == 1:
        return parts[0]
    times = [part.times for part in parts if part.times is not None]
    return Split(
        np.concatenate([part.embeddings for part in parts]),
        np.concatenate([part.targets for part in parts]),
        [file for part in parts for file in part.files],
        np.concatenate(times) if times else None,
    )


def _labelled(split: Split) -> Labelled:
    if not np.isfinite(split.embeddings).all():
        raise DataError("expected finite embeddings, got NaN or infinity: the model is broken")
    return Labelled(torch.from_numpy(np.array(split.embeddings)), torch.from_numpy(split.targets.astype(np.float32)))
