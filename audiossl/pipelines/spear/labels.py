"""Labels of a SPEAR recipe's tasks: read by id, and made into the tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.label_rows import Segment, segments_of
from audiossl.evaluation.splits import SPLITS, Split
from audiossl.evaluation.task import Row
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.sides import field_of
from audiossl.pipelines.spear.config import TaskConfig
from audiossl.signals.corpora.corpus import Corpus


def label_file(folder: Path, task: TaskConfig) -> Path:
    """Where the labels of a task are in the folder of the labels."""
    return folder / f"{task.name}.jsonl"


def read_labels(path: Path, task: TaskConfig) -> dict[str, Row]:
    """Read the label rows of a task by recording id.

    Raises:
        DataError: if a row lacks what tasks of its kind read.
    """
    key, example = task.task.key, task.task.example
    try:
        rows = read_jsonl(path)
    except ValueError as error:
        raise DataError(f"{path} holds no JSON lines such as {example}: {error}") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not {"id", key} <= row.keys() or not isinstance(row["id"], str):
            raise DataError(
                f"{path}: row {number} of the task '{task.name}' of kind {task.kind}: expected rows such as {example}, "
                f"got {str(row)[:80]}. Correct prepare_labels, or evaluation.tasks of the recipe."
            )
    return {row["id"]: row for row in rows}


def read_task_sides(folder: Path, task: TaskConfig, corpus: Corpus | None = None) -> dict[Split, list[str]] | None:
    """Read `TASK.splits.json`, the sides of a task that has others than the corpus; None where it has none.

    Raises:
        DataError: if it is no such file, or names items that are not in the corpus, where that is given.
    """
    path = folder / f"{task.name}.splits.json"
    if not path.is_file():
        return None
    splits = read_json(path)
    if not isinstance(splits, dict) or set(splits) != set(SPLITS):
        raise DataError(f"{path.name}: expected ids under {', '.join(SPLITS)}, got {str(list(splits))[:60]}")
    known = {item.id for item in corpus.items} if corpus else None
    if known is not None and (unknown := [id_ for side in SPLITS for id_ in splits[side] if id_ not in known]):
        raise DataError(f"{path.name}: {len(unknown)} ids are not in the corpus, such as '{unknown[0]}'")
    return {side: splits[side] for side in SPLITS}


def groups_of(corpus: Corpus, by: str) -> dict[str, str]:
    """What the intervals resample, by item: the attribute or custom field that `split.by` names.

    Raises:
        ConfigError: if an item lacks it.
    """
    found = {item.id: field_of(item, by) for item in corpus.items}
    for item in corpus.items:
        if not found[item.id]:
            fields = ", ".join(["speaker", "recording", *item.custom])
            raise ConfigError(f"split.by={by}: '{item.id}' has no such field; items have {fields}")
    return {id_: str(group) for id_, group in found.items()}


def frame_labels(folder: Path, tasks: Sequence[TaskConfig]) -> tuple[TaskConfig, dict[str, Sequence[Segment]]] | None:
    """The first task whose labels hold at instants, and its segments by id; None where there is none."""
    task = next((task for task in tasks if task.task.marks_frames), None)
    return None if task is None else (task, segments_of(read_labels(label_file(folder, task), task)))


def labels_in(task: TaskConfig, rows: Mapping[str, Row], ids: Sequence[str] | Mapping[str, Row]) -> set[str | int]:
    """The labels of some items, as they are written."""
    return {label for id_ in ids if id_ in rows for label in task.task.labels_of(rows[id_])}
