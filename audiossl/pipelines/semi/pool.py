"""Which windows are learned from without their labels, and how features are standardised by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.evaluation.probes import standardisation
from audiossl.seeds import derive_generator
from audiossl.signals.sensors.subjects import SubjectSides


@dataclass
class PoolConfig:
    """Unlabelled windows: all of training subjects, unless an option says otherwise.

    Attributes:
        foreign: whether windows that are of no class of the task are in the pool.
        test: whether windows of test subjects are in it as well, without their labels; such a row is transductive.
        imbalance: how many times as many windows the most frequent class has in it than the rarest; 1 leaves the pool as it is.
            Classes fall off geometrically, in an order that the seed draws.
        device: degrees by which the device of the pool is turned about a random axis, compared with that of the labels; 0 for
            the same device.

    Raises:
        ConfigError: for a number out of range.
    """

    foreign: bool = True
    test: bool = False
    imbalance: float = 1.0
    device: float = 0.0

    def __post_init__(self) -> None:
        if self.imbalance < 1 or not 0 <= self.device <= 180:
            raise ConfigError(
                f"pool: expected imbalance of at least 1 and device of 0 to 180 degrees, got {self.imbalance}, {self.device}"
            )


def rows_of_pool(
    config: PoolConfig, classes: Int[Tensor, "N"], subjects: Sequence[str], sides: SubjectSides, key: tuple[int, int]
) -> Int[Tensor, "U"]:
    """Rows of the windows in the pool.

    Args:
        config: options.
        classes: class of every window, -1 for none; read for what is stressed, and for nothing else.
        subjects: subject of every window.
        sides: who is on which side.
        key: seed and fold.

    Raises:
        ConfigError: if there are none.
    """
    allowed = frozenset((*sides.train, *(sides.test if config.test else ())))
    rows = torch.tensor([row for row, name in enumerate(subjects) if name in allowed], dtype=torch.int64)
    if not config.foreign:
        rows = rows[classes[rows] >= 0]
    if config.imbalance > 1:
        rows = _imbalanced(rows, classes, config.imbalance, key)
    if not len(rows):
        raise ConfigError("pool: no window of the training subjects is left in the pool; say pool.foreign=true")
    return rows


def of_training(rows: Int[Tensor, "U"], subjects: Sequence[str], sides: SubjectSides) -> Int[Tensor, "_"]:
    """The rows among those of a pool that are of training subjects: features are standardised by nobody else's."""
    names = frozenset(sides.train)
    return torch.tensor([row for row in rows.tolist() if subjects[row] in names], dtype=torch.int64)


def scale_of(
    features: Sequence[Float[Tensor, "_ D T"]], counts: Sequence[Int[Tensor, "_"]]
) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
    """Mean and deviation of every feature over labelled windows and the pool together.

    A few labelled windows say little of either, and one of each class nothing. Heads of methods and probes of models are
    standardised alike, so that they can be compared.

    Args:
        features: those of labelled windows, and those of the pool; T is 1 for one vector a window.
        counts: valid frames of each window.

    >>> scale_of([torch.tensor([[[1.0, 9.0]]]), torch.tensor([[[3.0, 5.0]]])], [torch.tensor([1]), torch.tensor([2])])
    (tensor([3.]), tensor([1.6330]))
    """
    rows = [x.transpose(1, 2)[torch.arange(x.shape[2]) < count[:, None]] for x, count in zip(features, counts, strict=True)]
    return standardisation(torch.cat(rows))


def _imbalanced(rows: Int[Tensor, "U"], classes: Int[Tensor, "N"], ratio: float, key: tuple[int, int]) -> Int[Tensor, "_"]:
    generator = derive_generator(*key, "imbalance")
    present = classes[rows][classes[rows] >= 0].unique()
    order = present[torch.randperm(len(present), generator=generator)]
    most = min(int((classes[rows] == k).sum()) for k in order)  # so that the most frequent class is there as often as that
    kept = [rows[classes[rows] < 0]]
    for place, k in enumerate(order):
        of_class = rows[classes[rows] == k]
        count = max(1, round(most * ratio ** (-place / max(1, len(order) - 1))))
        kept.append(of_class[torch.randperm(len(of_class), generator=generator)[:count]])
    return torch.cat(kept).sort().values
