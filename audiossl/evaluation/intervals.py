"""Confidence intervals over groups (speakers, prompts, subjects), of which there are often few: each is left out in turn.

Frames of one group are not independent, so what is counted are groups. Percentiles of resampled groups, the usual way, cover the
truth in half of all cases with two groups and in 80 % with five. `docs/intervals.md` has the simulated coverage of what is done
here: the jackknife, Student's t with few degrees of freedom, and ends inside the range of the metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.evaluation.interval import Interval

LEVEL = 0.95
MOST_PARTS = 200  # more groups than this are left out some at a time, for metrics that take long


@dataclass(frozen=True)
class Range:
    """Which values a metric can have.

    Attributes:
        low, high: least and largest value; None where there is no end.
        is_mean: whether it is a mean over items, so that its value over all groups is a mean of the groups' values.
    """

    low: float | None = None
    high: float | None = None
    is_mean: bool = False

    @property
    def of_differences(self) -> Range:
        """Which values the difference of two such metrics can have."""
        if self.low is None or self.high is None:
            return Range(is_mean=self.is_mean)
        return Range(self.low - self.high, self.high - self.low, self.is_mean)


SHARE = Range(0.0, 1.0, is_mean=True)
ERROR_RATE = Range(0.0, None, is_mean=True)  # a mean error, or errors per word: insertions can exceed the words that were said
MEAN = Range(is_mean=True)
INDEX = Range(0.0, 1.0)
CORRELATION = Range(-1.0, 1.0)
POSITIVE = Range(0.0, None)
AT_MOST_1 = Range(None, 1.0)
ANY = Range()
NAMES_OF_RANGES = {
    SHARE: "accuracy knn_accuracy top1_acc pitch_acc chroma_acc",
    ERROR_RATE: "per wer cer der slot_value_cer mae mape",
    INDEX: "macro_f1 weighted_f1 balanced_accuracy auroc aucroc map mAP eer slot_type_f1 "
    "event_onset_200ms_fms event_onset_50ms_fms event_onset_offset_50ms_20perc_fms",
    CORRELATION: "kappa correlation",
    POSITIVE: "rmse segment_1s_er",
    AT_MOST_1: "r2",
}
RANGES = {name: range_ for range_, names in NAMES_OF_RANGES.items() for name in names.split()}
"""Ranges of metrics by name; any other metric is taken to have no ends."""


def range_of(metric: str) -> Range:
    """The range of a metric by its name in results."""
    return RANGES.get(metric, ANY)


def rate_interval(part: Float[Tensor, "G"], whole: Float[Tensor, "G"], range_: Range = SHARE, level: float = LEVEL) -> Interval:
    """Interval of `sum(part) / sum(whole)` over groups.

    With the difference of two models' parts on the same groups it is the paired interval of the difference of their rates.

    Args:
        part: sum of each group.
        whole: count of each group; groups of count 0 are left out.
        range_: which values the rate can have.
        level: how often such intervals cover the truth.

    Example:
        >>> found = rate_interval(torch.tensor([9.0, 7.0, 8.0]), torch.tensor([10.0, 10.0, 10.0]))
        >>> print(f"{found.value:.2f}, {found.low:.2f} to {found.high:.2f} over {found.groups} groups")
        0.80, 0.46 to 0.95 over 3 groups
    """
    kept = whole > 0
    part, whole = part[kept].double(), whole[kept].double()
    value = (part.sum() / whole.sum()).item() if len(whole) else math.nan
    if len(whole) < 2:
        return Interval(value, None, None, len(whole))
    return leave_out_interval(value, (part.sum() - part) / (whole.sum() - whole), whole, range_, level=level)


def leave_out_interval(
    value: float,
    without: Float[Tensor, "P"],
    sizes: Float[Tensor, "P"],
    range_: Range,
    groups: int | None = None,
    level: float = LEVEL,
) -> Interval:
    """Interval of any statistic from its values when each part of the data is left out in turn.

    The jackknife's error, corrected for parts of unequal size: it and its degrees of freedom are those of a weighted mean whose
    parts scatter alike (Bell and McCaffrey 2002, Survey Methodology 28). Where chance inside the groups rules, larger groups
    scatter less and P - 1 degrees are right; which of the two holds cannot be seen in few groups, so the harmonic mean of both is
    taken. Ends lie inside the metric's range: the error is carried over to its logit, or its logarithm.

    Args:
        value: over all parts.
        without: the value without each part.
        sizes: sizes of the parts, such as their numbers of items.
        range_: which values the statistic can have.
        groups: groups that the parts are made of, if there are more than parts.
        level: how often such intervals cover the truth.

    Returns:
        The interval; without ends where there are fewer than two parts, where the value is not defined without one of them, and
        where all parts agree and the range says nothing of how far others could lie.
    """
    groups = len(without) if groups is None else groups
    if len(without) < 2 or not math.isfinite(value) or not bool(torch.isfinite(without).all()):
        return Interval(value, None, None, groups)
    concentration = (sizes.double() / sizes.double().sum()).square().sum()
    trace, of_unequal = _moments(sizes.double())
    error = ((value - without.double()).square().sum() * concentration / trace).sqrt().item()
    degrees = 2 / (1 / of_unequal + 1 / (len(without) - 1))
    if error <= 1e-9 * max(1.0, abs(value)):
        return Interval(value, *_ends_of_agreement(value, 1 / concentration.item(), range_, level), groups, 0.0, degrees)
    return Interval(value, *_ends(value, error, degrees, range_, level), groups, error, degrees)


def mean_interval(folds: Sequence[Interval], range_: Range, level: float = LEVEL) -> Interval:
    """Interval of the mean over folds that share no group; without ends where a fold has no error, or none has any.

    Raises:
        ValueError: if there is no fold.
    """
    if not folds:
        raise ValueError("expected a fold or more, got none")
    value = sum(fold.value for fold in folds) / len(folds)
    groups = None if any(fold.groups is None for fold in folds) else sum(fold.groups or 0 for fold in folds)
    if len(folds) == 1:
        return folds[0]
    known = [(fold.error, fold.degrees) for fold in folds if fold.error is not None and fold.degrees is not None]
    variances = [error**2 for error, _ in known]
    if len(known) == len(folds) and not sum(variances) and groups and len({fold.value for fold in folds}) == 1:
        return Interval(
            value, *_ends_of_agreement(value, float(groups), range_, level), groups, 0.0, sum(free for _, free in known)
        )
    if len(known) < len(folds) or not sum(variances):
        return Interval(value, None, None, groups)
    degrees = sum(variances) ** 2 / sum(variance**2 / free for variance, (_, free) in zip(variances, known, strict=True))
    error = math.sqrt(sum(variances)) / len(folds)
    return Interval(value, *_ends(value, error, degrees, range_, level), groups, error, degrees)


def divide_groups(num_groups: int, most: int, generator: torch.Generator) -> Int[Tensor, "G"]:
    """The part of each group: one for itself, or, of more than `most` groups, one of `most` parts that are drawn."""
    if num_groups <= most:
        return torch.arange(num_groups)
    return torch.randperm(num_groups, generator=generator) % most


def _moments(sizes: Float[Tensor, "P"]) -> tuple[Float[Tensor, ""], float]:
    """Trace of the covariance of what leaving each part out changes, and the degrees of freedom of the sum of its squares.

    Parts y of equal variance, means with weights w: value minus value without g is lever_g (y_g - w'y), with levers w / (1 - w).
    That change is A (I - 1w') y, A a diagonal of levers; trace and sum of squares of its covariance are those of
    (I - w1') A^2 (I - 1w'), whose cells are w_i^2 (1 + S - s_i) on the diagonal and w_i w_j (S - b_i - b_j) off it, with
    squared levers s, their sum S, and b = s + lever. The sum over cells is expanded, for there may be many parts. The lever of
    one that outweighs all others has no bound, and is never subtracted from itself: it is kept apart.
    """
    sizes = sizes.sort(descending=True).values
    weights, lever = sizes / sizes.sum(), sizes / torch.cat([sizes[1:].sum()[None], sizes.sum() - sizes[1:]])
    weight, squares, square = weights.square(), lever.square(), lever[0].square()
    others = squares[1:].sum()
    diagonal = weight * (1 + torch.cat([others[None], square + (others - squares[1:])]))
    b, w = squares[1:] + lever[1:], weight[1:]
    with_first = weight[0] * (w * (others - b - lever[0]).square()).sum()
    total = square + others
    first, second, third = w.sum(), (w * b).sum(), (w * b.square()).sum()
    beside = total**2 * first**2 - 4 * total * first * second + 2 * first * third + 2 * second**2
    beside -= (w * (total - 2 * b)).square().sum()
    degrees = diagonal.sum().square() / (diagonal.square().sum() + 2 * with_first + beside)
    return diagonal.sum(), max(1.0, degrees.item())


def _ends(value: float, error: float, degrees: float, range_: Range, level: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    reach = float(stdtrit(degrees, (1 + level) / 2)) * error
    low, high = range_.low, range_.high
    if low is not None and high is not None and low < value < high:
        share = (value - low) / (high - low)
        logit, half = math.log(share / (1 - share)), reach / (high - low) / (share * (1 - share))
        return low + (high - low) * _sigmoid(logit - half), low + (high - low) * _sigmoid(logit + half)
    if low is not None and high is None and value > low:
        half = min(reach / (value - low), 700.0)  # no float holds more
        return low + (value - low) * math.exp(-half), low + (value - low) * math.exp(half)
    if low is None and high is not None and value < high:
        least, most = _ends(-value, error, degrees, Range(-high, None), level)
        return -most, -least
    # A value at an end of the range, which a metric that is no mean may leave without one of the parts.
    return max(value - reach, -math.inf if low is None else low), min(value + reach, math.inf if high is None else high)


def _ends_of_agreement(value: float, groups: float, range_: Range, level: float) -> tuple[float, float] | tuple[None, None]:
    """Ends where every group has the same value, which is no proof that all others have.

    If a share q of all groups had it, so many drawn ones would agree with probability q ^ groups: at the level, q is at least
    (1 - level) ^ (1 / groups), about 1 - 3 / groups (the rule of three), and the others lie anywhere in the range.
    """
    if not range_.is_mean or range_.low is None or range_.high is None:
        return None, None
    share = (1 - level) ** (1 / groups)
    return share * value + (1 - share) * range_.low, share * value + (1 - share) * range_.high


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(max(value, -700.0)) / (1 + math.exp(max(value, -700.0)))
