"""Labels of a fine-tuning run, whatever they are: opened, and checked against the sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from audiossl.errors import DataError
from audiossl.evaluation.splits import Split
from audiossl.pipelines.finetune.task import LABELS
from audiossl.pipelines.finetune.tasks import find_finetune_task


def check_sides(out: Path, sides: Mapping[Split, Sequence[str]], task: str) -> None:
    """Refuse labels that leave training or test without any, or nothing to tell apart.

    Raises:
        DataError: naming the task and the side.
    """
    truth = find_finetune_task(task).open(out).truth
    needed: tuple[Split, Split] = ("train", "test")
    for side in needed:
        told = [truth[id_] for id_ in sides[side] if id_ in truth]
        if not told:
            raise DataError(
                f"{out / LABELS}: none of the {len(sides[side])} items of the {side} side has labels that the task {task} can use"
            )
        if side == "train" and len(told) > 1 and len({repr(sorted(one) if isinstance(one, list) else one) for one in told}) == 1:
            raise DataError(
                f"{out / LABELS}: all {len(told)} items of the train side have the same label, {str(told[0])[:60]!r}: the task "
                f"{task} has nothing to tell apart"
            )
