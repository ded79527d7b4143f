"""Scores of answers that know nothing of a clip: chance, and the most frequent class of the training side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from audiossl.evaluation.intervals import rate_interval
from audiossl.evaluation.readout import rates_of_groups
from audiossl.evaluation.results import ResultRow


def guess_rows(
    dataset: str,
    task: str,
    labels: Mapping[Literal["train", "test"], list[str]],
    groups: list[str],
) -> list[ResultRow]:
    """Rows of `chance`, which has no interval, and of `majority`, the most frequent class of the training side.

    Args:
        dataset, task: names in results.
        labels: labels of the items that a probe is fitted to, and of those that it is scored on.
        groups: group of each item that is scored.

    >>> rows = guess_rows("digits", "speaker", {"train": ["ann", "ann", "bob"], "test": ["ann", "bob"]}, ["s1", "s2"])
    >>> [(row.model, row.value) for row in rows]
    [('chance', 0.5), ('majority', 0.5)]
    """
    classes = sorted(set(labels["train"]))
    most = max(classes, key=labels["train"].count)
    right = torch.tensor([label == most for label in labels["test"]])
    names = sorted(set(groups))
    return [
        ResultRow(dataset, task, "chance", "accuracy", 1 / len(classes), None, None, len(groups)),
        _row(dataset, task, right, torch.tensor([names.index(group) for group in groups]), names),
    ]


def _row(dataset: str, task: str, right: Bool[Tensor, "N"], group: Int[Tensor, "N"], names: list[str]) -> ResultRow:
    correct = torch.bincount(group, right.double(), len(names))
    total = torch.bincount(group, minlength=len(names)).double()
    found, scores = rate_interval(correct, total), rates_of_groups(names, correct, total)
    return ResultRow.of(dataset, task, "majority", "accuracy", found, len(right), scores)
