"""Labels of clips from a column, and what is refused before work is spent on them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from audiossl.errors import ConfigError, DataError
from audiossl.options import nearest
from audiossl.pipelines.own.tasks import CLASSES, OwnTask
from audiossl.signals.corpora.item_fields import is_empty
from audiossl.signals.corpora.recordings import Recording
from audiossl.signals.corpora.sources import row_of
from audiossl.where_values import Plain

FEW = 12  # different whole numbers that are taken as classes
SHOWN = 6
Cells = Mapping[str, Mapping[str, Plain]]  # by recording and column


def cells_of(recordings: Iterable[Recording]) -> dict[str, dict[str, Plain]]:
    """Columns of each recording, and `folder`, the name of the folder that its file is in."""
    return {one.id: {"folder": one.path.parent.name, **row_of(one)} for one in recordings}


def column_labels(task: OwnTask, cells: Cells) -> dict[str, str]:
    """The label of each recording that has one, as text.

    Raises:
        ConfigError: if there is no such column.
    """
    columns = list(dict.fromkeys(name for row in cells.values() for name in row))
    by_small = {name.lower(): name for name in reversed(columns)}
    column = task.column if task.column in columns else by_small.get(task.column.lower())
    if column is None:
        listed = ", ".join(columns[:20])
        raise ConfigError(
            f"tasks: no column is called '{task.column}'{nearest(task.column, columns)}; the columns are {listed}. Columns come "
            "from the table that is given as corpus or table"
        )
    return {id_: _text(row[column]) for id_, row in cells.items() if not is_empty(row.get(column))}


def check_column(task: OwnTask, labels: Mapping[str, str], group_of: Mapping[str, str], split_by: str) -> None:
    """Refuse a column of which nothing can be learned.

    Args:
        task: whose labels they are.
        labels: by recording.
        group_of: recordings of one group stay on one side.
        split_by: the column or attribute that groups are made by.

    Raises:
        DataError: if it has no labels or one, looks like a quantity, has a class in one group only, or names the groups.
    """
    if not labels:
        raise DataError(f"tasks: all cells of the column '{task.column}' are empty. Fill it, or take another column")
    groups: dict[str, set[str]] = defaultdict(set)
    count: dict[str, int] = defaultdict(int)
    for id_, label in labels.items():
        groups[label].add(group_of[id_])
        count[label] += 1
    if len(groups) < 2:
        raise DataError(
            f"tasks: all {len(labels)} labels in the column '{task.column}' are '{next(iter(groups))}': there is nothing to tell "
            "apart. Take another column, or leave the task out"
        )
    if task.column.lower() == split_by.lower():
        raise DataError(
            f"tasks: the sides are drawn by '{split_by}', so that no {split_by} of the test side occurs in training, and none "
            f"can be identified. Set split.by=recording, or leave the task '{task.name}' out"
        )
    if not (task.as_classes or _names_somebody(task.column)) and _is_quantity(list(labels.values()), len(groups)):
        some = ", ".join(sorted(groups, key=float)[:SHOWN])
        raise DataError(
            f"tasks: the column '{task.column}' looks like a quantity ({len(groups)} different numbers in {len(labels)} "
            f"recordings: {some}, ...), and probes tell classes apart. Write classes into a column, such as young and old; or "
            f"say tasks={task.column}:{CLASSES} where each number is a class"
        )
    alone = sorted(label for label, held in groups.items() if len(held) < 2)
    if len(alone) == len(groups):
        raise DataError(
            f"tasks: each of the {len(groups)} classes of '{task.column}' is in one {_group_word(split_by)} only, such as "
            f"'{alone[0]}', so that none is in training and in test. Take a column of which several recordings share a value"
        )
    if alone:
        named = ", ".join(f"'{label}'" for label in alone[:SHOWN]) + (", ..." if len(alone) > SHOWN else "")
        listed = ", ".join(repr(label) for label in alone)
        advice = f'where="{_quoted(task.column)} not in [{listed}]"' if len(alone) <= 20 else "where, by a column that marks them"
        only = sum(count[label] for label in alone)
        raise DataError(
            f"tasks: {len(alone)} of {len(groups)} classes of '{task.column}' have one {_group_word(split_by)} only ({named}; "
            f"{only} of {len(labels)} items), and cannot be in training and in test. Empty their cells, give more recordings, or "
            f"leave them out: {advice}"
        )


def _group_word(split_by: str) -> str:
    return "recording" if split_by in ("recording", "id") else split_by


def _names_somebody(column: str) -> bool:
    """Whether numbers in a column are names, as those of speakers are."""
    small = column.lower()
    return small in ("speaker", "spk", "person", "subject", "singer", "folder") or small.endswith(("_id", "_no", "number"))


def _is_quantity(labels: list[str], num_classes: int) -> bool:
    """Whether all are numbers, and fractions or many different ones."""
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return False
    if not all(map(math.isfinite, numbers)) or any(len(label) > 1 and label[0] == "0" and label.isdigit() for label in labels):
        return False  # 007 is a name
    whole = all(number.is_integer() for number in numbers)
    return not whole or (num_classes > FEW and num_classes > len(labels) / 10)


def _text(cell: Plain) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _quoted(column: str) -> str:
    return column if column.isidentifier() else f"`{column}`"
