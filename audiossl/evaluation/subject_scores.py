"""What scores by subject have in common: values under every seed, intervals over subjects, paired differences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import DataError
from audiossl.evaluation.bootstrap import Interval, percentile_interval, resample_groups
from audiossl.seeds import derive_generator

BLOCK = 256  # subjects scored alone at once


class SubjectScores(ABC):
    """Metrics of windows of G subjects under S seeds, for any number of times that each subject counts.

    Attributes:
        subjects: names of the G subjects.
        num_windows: that were scored under each seed.
    """

    subjects: tuple[str, ...]
    num_windows: int

    @property
    @abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that can be read."""

    @abstractmethod
    def values(self, metric: str, times: Float[Tensor, "R G"]) -> Float[Tensor, "S R"]:
        """The metric under every seed, when each subject counts as often as `times` says."""

    @classmethod
    @abstractmethod
    def join(cls, parts: Sequence[Any]) -> SubjectScores:
        """Put scores of this kind of different subjects together, as of the folds of one division."""

    def each_seed(self, metric: str) -> list[float]:
        """The metric over all subjects, for every seed."""
        return self.values(metric, torch.ones(1, len(self.subjects), dtype=torch.float64))[:, 0].tolist()

    def each_subject(self, metric: str) -> list[float]:
        """The metric of each subject, averaged over seeds; NaN or 0 where one subject's windows do not define it."""
        numbers = torch.arange(len(self.subjects))
        blocks = [functional.one_hot(block, len(numbers)).double() for block in numbers.split(BLOCK)]
        return torch.cat([self.values(metric, block).mean(0) for block in blocks]).tolist()

    def interval(self, metric: str, num_resamples: int = 2000, seed: int = 0) -> Interval:
        """Mean over seeds with its 95 % interval over subjects; of one subject, who says nothing of others, the value alone."""
        value = _mean(self.each_seed(metric))
        if len(self.subjects) == 1:
            return Interval(value, value, value)
        drawn = resample_groups(len(self.subjects), derive_generator(seed, "subjects"), num_resamples)
        resampled = torch.cat([self.values(metric, times).mean(0) for times in drawn])
        return percentile_interval(value, resampled)

    def minus(self, other: SubjectScores, metric: str, num_resamples: int = 2000, seed: int = 0) -> Interval:
        """How much higher the metric is than another model's, with the paired interval over the same subjects.

        Seeds of the two are not paired: each model's metric is averaged over its own.

        Raises:
            DataError: if the other was scored on other subjects, or there is one subject only.
        """
        if self.subjects != other.subjects:
            raise DataError("expected scores of the same test subjects, got others: score both models on one task")
        drawn = resample_groups(len(self.subjects), derive_generator(seed, "subjects"), num_resamples)
        gaps = torch.cat([self.values(metric, times).mean(0) - other.values(metric, times).mean(0) for times in drawn])
        return percentile_interval(_mean(self.each_seed(metric)) - _mean(other.each_seed(metric)), gaps)


def group_subjects(subjects: list[str]) -> tuple[tuple[str, ...], Int[Tensor, "N"]]:
    """Names of subjects, sorted, and the place among them of each window's."""
    names = tuple(sorted(set(subjects)))
    number = {name: i for i, name in enumerate(names)}
    return names, torch.tensor([number[name] for name in subjects])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
