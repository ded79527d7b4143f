"""A HEAR task on disk, as hear-preprocess 2021 writes it, checked before anything is computed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from audiossl.errors import DataError
from audiossl.evaluation.hear.event_counts import FileEvents
from audiossl.evaluation.hear.scores import SCORES
from audiossl.files import read_json
from audiossl.tables import read_table

EmbeddingType = Literal["scene", "event"]
PredictionType = Literal["multiclass", "multilabel"]
SplitMode = Literal["trainvaltest", "new_split_kfold", "presplit_kfold"]
# The kit knows these by the task's name; a folder's own `task_specific_param_grid` comes after.
KNOWN_SETTINGS: Mapping[str, Mapping[str, Sequence[Any]]] = {"dcase2016_task2": {"check_val_every_n_epoch": [10]}}


@dataclass(frozen=True)
class Fold:
    """Which splits train, choose and test one predictor."""

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def name(self) -> str:
        """The test split's name, by which scores are kept."""
        return "|".join(self.test)


@dataclass(frozen=True)
class HearTask:
    """Metadata, vocabulary and labels of a task folder.

    Attributes:
        folder: its name is the task's.
        name: name of the task, without version and mode.
        labels: labels of each file of each split, for a scene task; files in the order of the split's JSON.
        events: events of each file of each split, for an event task.
        vocabulary: labels in the order of their indices.
        scores: names of metrics; the first one chooses.
        by_score: whether the first score chooses a predictor, or the validation loss.
        settings: settings that replace those of the kit's grid.
        postprocessing: lists of `median_filter_ms` and `min_duration` to choose from.
    """

    folder: Path
    name: str
    embedding_type: EmbeddingType
    prediction_type: PredictionType
    split_mode: SplitMode
    splits: tuple[str, ...]
    vocabulary: tuple[str, ...]
    labels: Mapping[str, Mapping[str, tuple[str, ...]]]
    events: Mapping[str, Mapping[str, FileEvents]]
    scores: tuple[str, ...]
    duration: float | None
    by_score: bool
    settings: Mapping[str, Sequence[Any]]
    postprocessing: Mapping[str, Sequence[float | int]]

    def files(self, split: str) -> list[str]:
        """Names of a split's files, in the order of its JSON."""
        return list(self.labels[split] if self.embedding_type == "scene" else self.events[split])

    def folds(self) -> list[Fold]:
        """The rotations: of k folds, test on i, choose by i + 1, train on the rest."""
        if self.split_mode == "trainvaltest":
            return [Fold(("train",), ("valid",), ("test",))]
        names = sorted(self.splits)
        found = []
        for i, test in enumerate(names):
            valid = names[(i + 1) % len(names)]
            found.append(Fold(tuple(name for name in names if name not in (test, valid)), (valid,), (test,)))
        return found


def read_task(folder: Path) -> HearTask:
    """Read a task folder.

    Raises:
        DataError: if a file is missing or not as expected, a label is not in the vocabulary, or a score is unknown; the message
            names the file.
    """
    metadata = _json(folder / "task_metadata.json", dict)
    kind = _one_of(folder, metadata, "embedding_type", get_args(EmbeddingType))
    prediction = _one_of(folder, metadata, "prediction_type", get_args(PredictionType))
    mode = _one_of(folder, metadata, "split_mode", get_args(SplitMode))
    splits = metadata.get("splits")
    if not isinstance(splits, list) or not all(isinstance(name, str) for name in splits) or len(set(splits)) < len(splits):
        raise DataError(f"{folder / 'task_metadata.json'}: expected splits, a list of different names, got {splits!r}")
    needed = ["train", "valid", "test"] if mode == "trainvaltest" else []
    if missing := [name for name in needed if name not in splits] or ([] if needed or len(splits) >= 3 else ["a third fold"]):
        raise DataError(f"{folder / 'task_metadata.json'}: split mode {mode} needs {', '.join(missing)}, splits are {splits}")
    scores = metadata.get("evaluation")
    if not isinstance(scores, list) or not scores or any(name not in SCORES for name in scores):
        raise DataError(f"{folder / 'task_metadata.json'}: expected evaluation, a list of {', '.join(SCORES)}, got {scores!r}")
    if wrong := [name for name in scores if SCORES[name].of_events != (kind == "event")]:
        raise DataError(f"{folder / 'task_metadata.json'}: {', '.join(wrong)} cannot score a task of embedding_type {kind}")
    vocabulary = _vocabulary(folder / "labelvocabulary.csv")
    labels: dict[str, dict[str, tuple[str, ...]]] = {}
    events: dict[str, dict[str, FileEvents]] = {}
    for split in splits:
        path = folder / f"{split}.json"
        rows = _json(path, dict)
        if not rows:
            raise DataError(f"{path}: expected labels of at least one file, got none")
        if kind == "scene":
            labels[split] = {name: _labels(path, name, value, prediction, vocabulary) for name, value in rows.items()}
        else:
            events[split] = {name: _events(path, name, value, vocabulary) for name, value in rows.items()}
    parameters = metadata.get("evaluation_params") or {}
    name = str(metadata.get("task_name", folder.name))
    duration = metadata.get("sample_duration")
    task = HearTask(
        folder, name, kind, prediction, mode, tuple(splits), vocabulary, labels, events, tuple(scores),
        None if duration is None else float(duration),
        bool(metadata.get("use_scoring_for_early_stopping", True)),
        {**KNOWN_SETTINGS.get(name, {}), **parameters.get("task_specific_param_grid", {})},
        parameters.get("event_postprocessing_grid", {"median_filter_ms": [250], "min_duration": [125, 250]}),
    )  # fmt: skip
    if not task.by_score and kind == "event" and math.prod(map(len, task.postprocessing.values())) != 1:
        raise DataError(f"{folder / 'task_metadata.json'}: chosen by loss, an event task needs one post-processing, not a grid")
    return task


def find_tasks(folder: Path) -> list[Path]:
    """Task folders in a folder of tasks, or the folder itself if it is one.

    Raises:
        DataError: if there is none.
    """
    if (folder / "task_metadata.json").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/task_metadata.json"))
    if not found:
        raise DataError(f"expected folders with task_metadata.json in {folder}, as hear-preprocess writes them, found none")
    return found


def _json(path: Path, kind: type) -> Any:
    if not path.is_file():
        raise DataError(f"{path} is missing: a HEAR task folder holds task_metadata.json, labelvocabulary.csv and a JSON a split")
    try:
        value = read_json(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    if not isinstance(value, kind):
        raise DataError(f"{path}: expected a JSON object, got {type(value).__name__}")
    return value


def _one_of(folder: Path, metadata: dict[str, Any], key: str, known: tuple[str, ...]) -> Any:
    if metadata.get(key) not in known:
        raise DataError(f"{folder / 'task_metadata.json'}: expected {key} {' or '.join(known)}, got {metadata.get(key)!r}")
    return metadata[key]


def _vocabulary(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise DataError(f"{path} is missing: it holds the columns idx,label")
    rows = [row.cells for row in read_table(path, ("idx", "label")).rows]
    try:
        labels = {int(row["idx"]): row["label"] for row in rows}
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: expected the columns idx,label with whole numbers idx, got {error!r}") from error
    if sorted(labels) != list(range(len(rows))) or not rows:
        raise DataError(f"{path}: expected idx from 0 without gaps, got {sorted(labels)[:5]}...")
    return tuple(labels[i] for i in range(len(labels)))


def _labels(path: Path, name: str, value: Any, prediction: str, vocabulary: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise DataError(f"{path}: {name}: expected a list of labels, got {json.dumps(value)[:80]}")
    labels = tuple(map(str, value))
    if prediction == "multiclass" and len(labels) != 1:
        raise DataError(f"{path}: {name}: expected one label of a multiclass task, got {len(labels)}")
    _known(path, name, labels, vocabulary)
    return labels


def _events(path: Path, name: str, value: Any, vocabulary: tuple[str, ...]) -> FileEvents:
    try:
        events = tuple((str(event["label"]), float(event["start"]), float(event["end"])) for event in value)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: {name}: expected events with label, start and end in ms: {error!r}") from error
    _known(path, name, [label for label, _, _ in events], vocabulary)
    return events


def _known(path: Path, name: str, labels: Sequence[str], vocabulary: tuple[str, ...]) -> None:
    if unknown := sorted(set(labels) - set(vocabulary)):
        raise DataError(f"{path}: {name}: label {unknown[0]!r} is not in labelvocabulary.csv ({len(vocabulary)} labels)")
