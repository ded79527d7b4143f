"""Labels of a SPEAR recipe's tasks, checked before anything is trained on or for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.splits import Split
from audiossl.evaluation.task import Row, TaskSetting
from audiossl.files import read_jsonl
from audiossl.options import nearest
from audiossl.pipelines.spear.config import TaskConfig
from audiossl.pipelines.spear.labels import groups_of, label_file, labels_in, read_labels, read_task_sides
from audiossl.recipe import console
from audiossl.signals.corpora.corpus import Corpus


def check_labels(
    folder: Path,
    corpus: Corpus,
    sides: Mapping[Split, list[str]],
    tasks: Sequence[TaskConfig],
    by: str,
    *,
    written_by: str,
    limit: int | None = None,
) -> None:
    """Refuse labels that could not be scored, or could not fail to be.

    Args:
        folder: that the labels were written to.
        corpus: whose items the labels name.
        sides: ids of the split.
        tasks: of the recipe.
        by: field of the items that intervals resample.
        written_by: name of the source, for messages.
        limit: of the recipe, for messages.

    Raises:
        DataError: naming the task, its file, and an item.
    """
    for task in tasks:
        path = label_file(folder, task)
        if not path.is_file():
            raise DataError(f"{written_by} wrote no {path.name}, which the task '{task.name}' reads its labels from")
        try:
            rows = read_labels(path, task)
            _check_ids(path, rows, corpus)
            seconds = {item.id: item.num_samples / corpus.sample_rate for item in corpus.items if item.id in rows}
            task.task.check_rows(rows, seconds)
            own = read_task_sides(folder, task, corpus) or sides
            _check_classes(task, rows, own)
            task.task.from_rows(rows, TaskSetting("", task.name, own, groups_of(corpus, by)))
        except (DataError, ConfigError) as error:
            said = str(error).removeprefix(f"{path}: ").removeprefix(f"{path} ").rstrip(".")
            limited = f". limit={limit} left items out" if limit is not None else ""
            raise DataError(f"{path} of the task '{task.name}': {said}{limited}") from error


def _check_ids(path: Path, rows: Mapping[str, Row], corpus: Corpus) -> None:
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


def _check_classes(task: TaskConfig, rows: Mapping[str, Row], sides: Mapping[Split, Sequence[str]]) -> None:
    everywhere = labels_in(task, rows, rows)
    if len(everywhere) < 2:
        raise DataError(f"all labels of {len(rows)} items are {_named(everywhere)}: there is nothing to tell apart")
    if task.task.by_folds:
        return
    train, test = labels_in(task, rows, sides["train"]), labels_in(task, rows, sides["test"])
    if len(train) == 1:
        raise DataError(f"all labels of the training side are {_named(train)}: there is nothing to learn. Choose another split")
    if train and test and not train & test:
        raise DataError(
            f"no label of the test side ({_named(test)}) occurs in the training side, so none can be predicted. Choose another "
            f"split, by another split.by or in {task.name}.splits.json"
        )
    if len(test) == 1:
        said = f"task '{task.name}': all labels of the test side are {_named(test)}, so accuracy says little"
        console.print(said, style="yellow", markup=False, soft_wrap=True)


def _named(classes: Iterable[str | int]) -> str:
    names = sorted(map(repr, classes))
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "missing"
