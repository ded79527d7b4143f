"""Confidence intervals by resampling groups (speakers, prompts, subjects): frames of one group are not independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError

CHUNK_DRAWS = 2**22


@dataclass(frozen=True)
class Interval:
    """A value and its confidence interval."""

    value: float
    low: float
    high: float


def bootstrap_rate(
    correct: Float[Tensor, "G"],
    total: Float[Tensor, "G"],
    generator: torch.Generator,
    num_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of `sum(correct) / sum(total)` when groups are drawn with replacement.

    `correct` may hold any per-group sums. With the difference of two models' counts on the same groups this is the paired
    interval of the difference of their accuracies.

    Args:
        correct: sum of each group.
        total: count of each group; groups of count 0 are left out.
        generator: draws the groups; generators in equal states give equal intervals.
        num_resamples: how often to draw.
        level: share of resamples inside the interval.

    Raises:
        DataError: if fewer than two groups have a count: one group says nothing about the next.
    """
    kept = total > 0
    correct, total = correct[kept].double(), total[kept].double()
    num_groups = len(total)
    if num_groups < 2:
        raise DataError(f"expected at least 2 groups to resample for an interval, got {num_groups}: use a finer grouping")
    rates = []
    for first in range(0, num_resamples, rows := max(1, CHUNK_DRAWS // num_groups)):
        drawn = torch.randint(num_groups, (min(rows, num_resamples - first), num_groups), generator=generator)
        rates.append(correct[drawn].sum(dim=1) / total[drawn].sum(dim=1))
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.quantile(torch.cat(rates), tails).tolist()
    return Interval((correct.sum() / total.sum()).item(), low, high)


def bootstrap_statistic(
    counts: Float[Tensor, "S G *K"],
    statistic: Callable[[Float[Tensor, "R *K"]], Float[Tensor, "R"]],
    generator: torch.Generator,
    num_resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of any statistic of summed counts, averaged over seeds, when groups are drawn with replacement.

    Args:
        counts: what each group contributes under each seed, such as its confusion matrix.
        statistic: of sums over groups; takes and returns many at once.
        generator: draws the groups, the same ones for all seeds.
        num_resamples: how often to draw.
        level: share of resamples inside the interval.

    Raises:
        DataError: if there are fewer than two groups.
    """
    counts = counts.double()
    resampled = [
        torch.stack([statistic((times @ seed.flatten(1)).unflatten(1, seed.shape[1:])) for seed in counts]).mean(0)
        for times in resample_groups(counts.shape[1], generator, num_resamples)
    ]
    return percentile_interval(statistic(counts.sum(1)).mean().item(), torch.cat(resampled), level)


def resample_groups(num_groups: int, generator: torch.Generator, num_resamples: int = 2000) -> Iterator[Float[Tensor, "R G"]]:
    """Draw groups with replacement, and yield how often each was drawn; some resamples at a time, to save memory.

    Raises:
        DataError: if there are fewer than two groups: one group says nothing about the next.
    """
    if num_groups < 2:
        raise DataError(f"expected at least 2 groups to resample for an interval, got {num_groups}: use a finer grouping")
    for first in range(0, num_resamples, rows := max(1, CHUNK_DRAWS // num_groups)):
        drawn = torch.randint(num_groups, (min(rows, num_resamples - first), num_groups), generator=generator)
        times = torch.zeros(drawn.shape, dtype=torch.float64)
        yield times.scatter_add_(1, drawn, torch.ones(drawn.shape, dtype=torch.float64))


def percentile_interval(value: float, resampled: Float[Tensor, "R"], level: float = 0.95) -> Interval:
    """Put a value between the percentiles of its resamples; those that are not a number do not count."""
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.nanquantile(resampled.double(), tails).tolist()
    return Interval(value, low, high)
