"""What scores by subject have in common: values under every seed, intervals over subjects, paired differences."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.intervals import MOST_PARTS, Interval, divide_groups, leave_out_interval, range_of
from audiossl.seeds import derive_generator

BLOCK = 256  # subjects scored alone at once


class SubjectScores(ABC):
    """Metrics of windows of G subjects under S seeds, for any number of times that each subject counts.

    Attributes:
        subjects: names of the G subjects.
        num_windows: number of windows that were scored under each seed.
    """

    subjects: tuple[str, ...]
    num_windows: int

    @property
    @abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that can be read."""

    @property
    @abstractmethod
    def sizes(self) -> Float[Tensor, "G"]:
        """How many windows each subject has."""

    @abstractmethod
    def values(self, metric: str, times: Float[Tensor, "R G"]) -> Float[Tensor, "S R"]:
        """The metric under every seed, when each subject counts as often as `times` says."""

    @classmethod
    @abstractmethod
    def join(cls, parts: Sequence[Any]) -> SubjectScores:  # Any: scores of the class itself
        """Put scores of this kind of different subjects together, as of the folds of one division."""

    def each_seed(self, metric: str) -> list[float]:
        """The metric over all subjects, for every seed."""
        return self.values(metric, torch.ones(1, len(self.subjects), dtype=torch.float64))[:, 0].tolist()

    def each_subject(self, metric: str) -> list[float]:
        """The metric of each subject, averaged over seeds; NaN or 0 where one subject's windows do not define it."""
        numbers = torch.arange(len(self.subjects))
        blocks = [functional.one_hot(block, len(numbers)).double() for block in numbers.split(BLOCK)]
        return torch.cat([self.values(metric, block).mean(0) for block in blocks]).tolist()

    def scores(self, metric: str) -> dict[str, tuple[float | None, float]]:
        """By subject, the metric (None where it is not defined) and the number of windows."""
        rows = zip(self.subjects, self.each_subject(metric), self.sizes.tolist(), strict=True)
        return {name: (value if math.isfinite(value) else None, size) for name, value, size in rows}

    def interval(self, metric: str, num_resamples: int | None = None, seed: int = 0) -> Interval:
        """Mean over seeds with its 95 % interval over subjects; of one subject, who says nothing of others, the value alone.

        Args:
            metric: one of `metric_names`.
            num_resamples: not used, for nothing is drawn.
            seed: seed of the parts that more than 200 subjects are divided into, each of which is left out as one.
        """
        without, sizes = self._without(metric, seed)
        value = _mean(self.each_seed(metric))
        return leave_out_interval(value, without, sizes, range_of(metric), len(self.subjects))

    def minus(self, other: SubjectScores, metric: str, num_resamples: int | None = None, seed: int = 0) -> Interval:
        """How much higher the metric is than another model's, with the paired interval over the same subjects.

        Seeds of the two are not paired: each model's metric is averaged over its own.

        Raises:
            DataError: if the other was scored on other subjects, or there is one subject only.
        """
        if self.subjects != other.subjects:
            raise DataError("expected scores of the same test subjects, got others: score both models on one task")
        if len(self.subjects) < 2:
            raise DataError(f"expected at least 2 test subjects to compare models on, got {len(self.subjects)}")
        without, sizes = self._without(metric, seed)
        gaps = without - other._without(metric, seed)[0]
        value = _mean(self.each_seed(metric)) - _mean(other.each_seed(metric))
        return leave_out_interval(value, gaps, sizes, range_of(metric).of_differences, len(self.subjects))

    def _without(self, metric: str, seed: int) -> tuple[Float[Tensor, "P"], Float[Tensor, "P"]]:
        """The metric, averaged over seeds, without each part of the subjects, and the windows of each part."""
        parts = divide_groups(len(self.subjects), MOST_PARTS, derive_generator(seed, "subjects"))
        members = functional.one_hot(parts).T.double()
        without = [self.values(metric, 1 - block).mean(0) for block in members.split(BLOCK)]
        return torch.cat(without), members @ self.sizes


def group_subjects(subjects: list[str]) -> tuple[tuple[str, ...], Int[Tensor, "N"]]:
    """Names of subjects, sorted, and the place among them of each window's."""
    names = tuple(sorted(set(subjects)))
    number = {name: i for i, name in enumerate(names)}
    return names, torch.tensor([number[name] for name in subjects])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
