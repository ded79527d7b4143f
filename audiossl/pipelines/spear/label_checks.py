"""Labels of a SPEAR recipe's tasks, checked before anything is trained on or for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.splits import SPLITS, Split
from audiossl.files import read_json, read_jsonl
from audiossl.options import nearest
from audiossl.pipelines.spear.config import SpearRecipe, TaskConfig
from audiossl.pipelines.spear.tasks import groups_of, make_task, read_labels
from audiossl.recipe import console
from audiossl.signals.corpora.corpus import Corpus

SHORTEST_SECONDS = 0.01  # of a segment that a frame may hold
SLACK_SECONDS = 0.5  # that a segment may end after its recording: aligners round up, and recordings are cut


def check_labels(folder: Path, corpus: Corpus, sides: Mapping[Split, list[str]], config: SpearRecipe, script: Path) -> None:
    """Refuse labels that could not be scored, or could not fail to be.

    Args:
        folder: what `prepare_labels` wrote.
        corpus: whose items the labels name.
        sides: ids of the split.
        config: the recipe.
        script: that has `prepare_labels`.

    Raises:
        DataError: naming the task, its file, and an item.
    """
    for task in config.evaluation.tasks:
        path = folder / f"{task.name}.jsonl"
        if not path.is_file():
            raise DataError(f"{script} wrote no {path.name}, which the task '{task.name}' reads its labels from")
        try:
            rows = read_labels(path, task)
            _check_ids(path, rows, corpus)
            _check_values(task, rows, corpus)
            given = folder / f"{task.name}.splits.json"
            own = _read_splits(given, corpus) if given.is_file() else sides
            _check_classes(task, rows, own)
            make_task(task, rows, own, groups_of(corpus, config), config)
        except (DataError, ConfigError) as error:
            said = str(error).removeprefix(f"{path}: ").removeprefix(f"{path} ").rstrip(".")
            limited = f". limit={config.limit} left items out" if config.limit is not None else ""
            raise DataError(f"{path} of the task '{task.name}': {said}{limited}") from error


def _check_ids(path: Path, rows: Mapping[str, Any], corpus: Corpus) -> None:
    known = {item.id for item in corpus.items}
    if unknown := [id_ for id_ in rows if id_ not in known]:
        meant = nearest(unknown[0], known) if len(known) < 10_000 else ""
        raise DataError(
            f"{len(unknown)} of {len(rows)} rows name ids that are not in the corpus, such as '{unknown[0]}'{meant}; "
            f"the corpus has '{min(known)}'"
        )
    if not rows:
        raise DataError("it holds no rows")
    counts = Counter(row["id"] for row in read_jsonl(path))
    if twice := [id_ for id_, count in counts.items() if count > 1]:
        raise DataError(f"{len(twice)} ids have several rows, such as '{twice[0]}'")


def _check_values(task: TaskConfig, rows: Mapping[str, Any], corpus: Corpus) -> None:
    seconds = {item.id: item.num_samples / corpus.sample_rate for item in corpus.items if item.id in rows}
    kinds: set[type] = set()
    longest = 0.0
    for id_, row in rows.items():
        if task.kind == "clips":
            kinds.add(_kind_of(row["label"], id_))
            continue
        if not isinstance(row["segments"], list):
            raise DataError(f"'{id_}': expected a list of segments [label, start, end], got {str(row['segments'])[:60]}")
        for segment in row["segments"]:
            kinds.add(_check_segment(segment, id_, seconds[id_]))
            longest = max(longest, segment[2] - segment[1])
    if 0 < longest < SHORTEST_SECONDS:
        raise DataError(f"the longest segment lasts {longest:g} s, less than a frame of any model. Times are in seconds")
    if len(kinds) > 1:
        raise DataError("some labels are text and others numbers. Write all as text")


def _check_segment(segment: Any, id_: str, seconds: float) -> type:
    if not isinstance(segment, list) or len(segment) != 3:
        raise DataError(f"'{id_}': expected segments [label, start, end], got {str(segment)[:60]}")
    kind = _kind_of(segment[0], id_)
    start, end = segment[1:]
    numbers = all(isinstance(time, (int, float)) and not isinstance(time, bool) and math.isfinite(time) for time in (start, end))
    if not numbers or not 0 <= start < end:
        raise DataError(f"'{id_}': expected a segment that ends after it starts, in seconds, got {segment}")
    if start >= seconds or end > seconds + SLACK_SECONDS:
        raise DataError(f"'{id_}': the segment {segment} lies outside of the recording, which lasts {seconds:g} s")
    return kind


def _kind_of(label: Any, id_: str) -> type:
    if isinstance(label, str) and label:
        return str
    if isinstance(label, int) and not isinstance(label, bool):
        return int
    raise DataError(f"'{id_}': expected a label that is text or a whole number, got {label!r}")


def _read_splits(path: Path, corpus: Corpus) -> dict[Split, list[str]]:
    splits = read_json(path)
    if not isinstance(splits, dict) or set(splits) != set(SPLITS):
        raise DataError(f"{path.name}: expected ids under {', '.join(SPLITS)}, got {str(list(splits))[:60]}")
    known = {item.id for item in corpus.items}
    if unknown := [id_ for side in SPLITS for id_ in splits[side] if id_ not in known]:
        raise DataError(f"{path.name}: {len(unknown)} ids are not in the corpus, such as '{unknown[0]}'")
    return {side: splits[side] for side in SPLITS}


def _check_classes(task: TaskConfig, rows: Mapping[str, Any], sides: Mapping[Split, Sequence[str]]) -> None:
    def classes(ids: Iterable[str]) -> set[Any]:
        found = (rows[id_] for id_ in ids if id_ in rows)
        return {
            label
            for row in found
            for label in ([row["label"]] if task.kind == "clips" else [part[0] for part in row["segments"]])
        }

    everywhere = classes(rows)
    if len(everywhere) < 2:
        raise DataError(f"all labels of {len(rows)} items are {_named(everywhere)}: there is nothing to tell apart")
    if task.folds:
        return
    train, test = classes(sides["train"]), classes(sides["test"])
    if len(train) == 1:
        raise DataError(f"all labels of the training side are {_named(train)}: there is nothing to learn. Choose another split")
    if train and test and not train & test:
        raise DataError(
            f"no label of the test side ({_named(test)}) occurs in the training side, so none can be told. Choose another split, "
            f"by another split.by or in {task.name}.splits.json"
        )
    if len(test) == 1:
        said = f"task '{task.name}': all labels of the test side are {_named(test)}, so accuracy says little"
        console.print(said, style="yellow", markup=False, soft_wrap=True)


def _named(classes: Iterable[Any]) -> str:
    names = sorted(map(repr, classes))
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "missing"
