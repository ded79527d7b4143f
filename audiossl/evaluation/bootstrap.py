"""The interval of a rate under the name that it had while groups were drawn with replacement."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.intervals import MEAN, Interval, Range, rate_interval

__all__ = ["Interval", "bootstrap_rate"]


def bootstrap_rate(
    correct: Float[Tensor, "G"],
    total: Float[Tensor, "G"],
    generator: torch.Generator | None = None,
    num_resamples: int | None = None,
    level: float = 0.95,
) -> Interval:
    """Interval of `sum(correct) / sum(total)`, or of a paired difference of two rates, over groups.

    Percentiles of resamples, which this once gave, are too narrow for few groups, so nothing is drawn any more: it is
    `audiossl.evaluation.intervals.rate_interval` for sums that may be a share or a difference of shares, so that ends lie
    between -1 and 1. Code that knows which of the two it has says it to that function.

    Args:
        correct: sum of each group.
        total: count of each group; groups of count 0 are left out.
        generator, num_resamples: not used.
        level: how often such intervals cover the truth.

    Raises:
        DataError: if fewer than two groups have a count: one group says nothing about the next.

    >>> bootstrap_rate(torch.tensor([8.0, 9.0, 7.0]), torch.tensor([10.0, 10.0, 10.0])).value
    0.8
    """
    if (num_groups := int((total > 0).sum())) < 2:
        raise DataError(f"expected at least 2 groups for an interval, got {num_groups}: use a finer grouping")
    inside = bool((correct.abs() <= total).all())
    return rate_interval(correct, total, Range(-1.0, 1.0, is_mean=True) if inside else MEAN, level)
