"""What a SUPERB task is to the training loop: tables, a head, a loss, predictions and a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Generic, Literal, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import DataError
from audiossl.evaluation.intervals import Interval, range_of, rate_interval
from audiossl.evaluation.readout import rates_of_groups
from audiossl.evaluation.results import LOWER_IS_BETTER, GroupScores
from audiossl.evaluation.superb.tables import SPLITS, Clip, read_table

Order = Literal["shuffled", "slices", "buckets", "balanced"]


@dataclass(frozen=True)
class Settings:
    """How a head is trained (section 1.2 of the protocol): one update is one step of the optimiser.

    Attributes:
        lr: the shipped default; published numbers use one that was searched for each model and task.
        updates: number of updates of the optimiser.
        batch, accumulate: clips at once, and how often gradients are added up for an update.
        order: order of clips; `slices` takes, for each clip of a shuffle, those next shorter than it; `buckets` shuffles batches
            of similar length; `balanced` draws classes alike, with replacement.
        halve_above: samples at 16 kHz above which a batch of `slices` or `buckets` is halved.
        clip_norm: largest norm of gradients.
        crop_seconds: training takes a random stretch of longer clips.
        evaluations: number of evaluations on the validation table, evenly over the updates.
        hidden: width inside the head.
    """

    optimiser: Literal["Adam", "AdamW"] = "Adam"
    lr: float = 1e-4
    updates: int = 200_000
    batch: int = 32
    accumulate: int = 1
    order: Order = "shuffled"
    halve_above: int | None = None
    clip_norm: float = 1.0
    crop_seconds: float | None = None
    evaluations: int = 40
    hidden: int = 256


@dataclass(frozen=True)
class Batch:
    """Clips with their features, padded.

    Attributes:
        spans: the first and last frame of each clip that the features are of.
    """

    clips: Sequence[Clip]
    features: Float[Tensor, "B T D"]
    lengths: Int[Tensor, "B"]
    spans: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Counts:
    """What each clip adds to a rate: the rate is the sum of `part` over the sum of `whole`."""

    part: Mapping[str, float]
    whole: Mapping[str, float]

    @property
    def value(self) -> float:
        """The rate."""
        return sum(self.part.values()) / max(sum(self.whole.values()), 1e-12)


@dataclass(frozen=True)
class Measured:
    """A metric with its 95 % interval over groups of clips.

    Attributes:
        low, high: ends of the interval; None where there is none.
        n: number of items that it is a rate of.
        groups: groups that the interval is over; None in files that were written before they were counted.
        error, degrees: standard error and its degrees of freedom, from which folds are put together.
        scores: scores of each group, where it has one.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    groups: int | None = None
    error: float | None = None
    degrees: float | None = None
    scores: GroupScores | None = None

    @classmethod
    def of(cls, found: Interval, n: int, scores: GroupScores | None = None) -> Measured:
        """A measurement from its interval."""
        return cls(found.value, found.low, found.high, n, found.groups, found.error, found.degrees, scores)


P = TypeVar("P")  # what a head makes of a clip


class SuperbTask(ABC):
    """One task; an instance belongs to one folder of tables, from which it has its vocabulary.

    Attributes:
        name: SUPERB's abbreviation.
        columns: columns of its tables next to id and wav_path.
        metrics: the first one selects the checkpoint and learning rate on the validation table.
        settings: settings of the protocol.
        gain_db: gain that is applied to its audio, in decibels.
        splits: its tables.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[str, ...]]
    settings: ClassVar[Settings]
    gain_db: ClassVar[float] = 0.0
    splits: ClassVar[tuple[str, ...]] = SPLITS

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables = {split: read_table(folder / f"{split}.csv", self.columns) for split in self.splits}
        self.read_vocabulary()

    @property
    def maximise(self) -> bool:
        """Whether more of the first metric is better."""
        return self.metrics[0] not in LOWER_IS_BETTER

    @abstractmethod
    def read_vocabulary(self) -> None:
        """Collect classes or units from the training table, and check the others against them."""

    def clips(self, split: str) -> list[Clip]:
        """Clips of a table."""
        return self.tables[split]


class HeadTask(SuperbTask, Generic[P]):
    """A task for which a head is trained, which makes a `P` of each clip."""

    @abstractmethod
    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """A new head of width `hidden` for features of width `dim`, one every `stride` samples of 16 kHz audio."""

    @abstractmethod
    def loss(self, head: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        """Mean loss of a batch."""

    @abstractmethod
    def predict(self, head: nn.Module, batch: Batch) -> list[P]:
        """What the head makes of each clip."""

    @abstractmethod
    def value(self, predictions: Mapping[str, P], split: str) -> float:
        """The first metric of a table, which selects, of predictions by id."""

    @abstractmethod
    def measure(self, predictions: Mapping[str, P], split: str) -> dict[str, Measured]:
        """Metrics of a table with intervals, of predictions by id."""

    def weigh(self, clip: Clip) -> str:
        """The class by which the order `balanced` draws; here each clip is its own."""
        return clip.id


class RateTask(HeadTask[P]):
    """A task whose metrics are rates that clips add to."""

    @abstractmethod
    def count(self, predictions: Mapping[str, P], split: str) -> dict[str, Counts]:
        """Each metric's counts over the clips of a table."""

    def value(self, predictions: Mapping[str, P], split: str) -> float:
        """The first metric of a table, which selects."""
        return self.count(predictions, split)[self.metrics[0]].value

    def measure(self, predictions: Mapping[str, P], split: str) -> dict[str, Measured]:
        """Metrics of a table with intervals over groups of clips."""
        clips = self.clips(split)
        place = {group: number for number, group in enumerate(sorted({clip.group for clip in clips}))}
        found = {}
        for metric, counts in self.count(predictions, split).items():
            sums = torch.zeros(2, len(place), dtype=torch.float64)
            for clip in clips:
                sums[:, place[clip.group]] += torch.tensor([counts.part[clip.id], counts.whole[clip.id]])
            scores = rates_of_groups(list(place), sums[0], sums[1])
            count = round(sum(counts.whole.values()))
            found[metric] = Measured.of(
                replace(rate_interval(sums[0], sums[1], range_of(metric)), value=counts.value), count, scores
            )
        return found


def classes_of(task: SuperbTask, column: str) -> list[str]:
    """Values of a column in the training table, sorted.

    Raises:
        DataError: if another table has one that training has not.
    """
    known = sorted({clip.values[column] for clip in task.clips("train")})
    for split in ("valid", "test"):
        for clip in task.clips(split):
            if clip.values[column] not in known:
                raise DataError(
                    f"{task.folder / f'{split}.csv'}: {clip.id}: the {column} '{clip.values[column]}' is not in the training "
                    f"table, which has {len(known)}"
                )
    return known
