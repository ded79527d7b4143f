"""Intervals of few groups: coverage by simulation, closed forms, ends inside ranges, agreement, folds."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from tool_modules import load_tool

from audiossl.evaluation.intervals import (
    ANY,
    CORRELATION,
    ERROR_RATE,
    MEAN,
    RANGES,
    SHARE,
    Interval,
    _moments,
    divide_groups,
    leave_out_interval,
    mean_interval,
    rate_interval,
)

bench = load_tool("bench/interval_coverage.py")


def sums(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("case", [case for case in bench.CASES if "0.99" not in case.name], ids=lambda case: case.name)
def test_nineteen_of_twenty_intervals_cover_the_truth(case, equal, monkeypatch):
    """400 trials: a coverage of 95 % scatters by 1.1 points, so that 90.5 % is four deviations below."""
    monkeypatch.setattr(bench, "MANY", 100_000)
    monkeypatch.setattr(bench, "_resampled", lambda part, whole, generator: part)  # percentiles are not what is tested
    for num_groups in (2, 5):
        assert bench.coverage(case, num_groups, equal, 400)[0] >= 0.905


@pytest.mark.parametrize("metric", ["macro_f1", "auroc"])
def test_metrics_that_are_no_means_are_covered_too(metric):
    covered, given_ = bench.coverage_of_windows(metric, 5, False, 100)
    assert covered >= 0.88 and given_ > 0.97


def test_without_a_range_equal_groups_give_students_interval_of_their_rates():
    rates = sums(0.6, 0.9, 0.7, 0.65)
    found = rate_interval(100 * rates, torch.full((4,), 100.0).double(), MEAN)
    mean, half = rates.mean().item(), student.ppf(0.975, 3) * rates.std().item() / 2
    assert (found.value, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))
    assert (found.groups, found.degrees, found.error) == (4, pytest.approx(3), pytest.approx(rates.std().item() / 2))


def test_unequal_groups_have_fewer_degrees_of_freedom():
    """Against the matrices of Bell and McCaffrey, written out."""
    sizes, rates = sums(400, 30, 50, 20, 100), sums(0.7, 0.9, 0.4, 0.8, 0.5)
    found = rate_interval(sizes * rates, sizes, MEAN)
    weights = sizes / sizes.sum()
    residuals = torch.eye(5).double() - weights.expand(5, 5)
    change = torch.diag(weights / (1 - weights)) @ residuals
    covariance = change @ change.T
    satterthwaite = covariance.trace() ** 2 / covariance.square().sum()
    assert found.degrees == pytest.approx(float(2 / (1 / satterthwaite + 1 / 4))) and 1 < satterthwaite < 3
    error = ((change @ rates).square().sum() * weights.square().sum() / covariance.trace()).sqrt()
    assert found.error == pytest.approx(float(error))


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=6), st.integers(0, 10**9))
def test_one_group_may_outweigh_all_others(others, largest):
    """Trace and degrees of freedom in whole numbers; their expansion in floats once gave negative degrees, and ends of NaN."""
    sizes = [Fraction(size) for size in (*others, sum(others) + largest)]
    weights = [size / sum(sizes) for size in sizes]
    change = [[w / (1 - w) * ((i == j) - v) for j, v in enumerate(weights)] for i, w in enumerate(weights)]
    covariance = [[sum(a * b for a, b in zip(one, other, strict=True)) for other in change] for one in change]
    trace = sum(covariance[i][i] for i in range(len(sizes)))
    degrees = trace**2 / sum(cell**2 for row in covariance for cell in row)
    found = _moments(sums(*map(float, sizes)))
    assert (float(found[0]), found[1]) == pytest.approx((float(trace), float(degrees)), rel=1e-9)
    interval = rate_interval(sums(*(0.5 * float(size) for size in sizes[:-1]), 0.9 * float(sizes[-1])), sums(*map(float, sizes)))
    assert interval.low is not None and interval.high is not None and 0 <= interval.low < interval.high <= 1


def test_ends_of_a_value_at_an_end_stay_inside():
    """An area that is 1, and less without one of the groups."""
    found = leave_out_interval(1.0, sums(1, 1, 0.9), sums(1, 1, 1), RANGES["auroc"])
    assert found.low is not None and found.low < 1.0 == found.high
    assert leave_out_interval(0.0, sums(0, 0, 0.1), sums(1, 1, 1), RANGES["rmse"]).low == 0.0


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=2, max_size=12),
    st.sampled_from([SHARE, SHARE.of_differences, ERROR_RATE]),
)
def test_ends_lie_on_both_sides_and_inside_the_range(rows, range_):
    whole = sums(*(count for _, count in rows))
    part = torch.minimum(sums(*(right for right, _ in rows)), whole)
    found = rate_interval(part, whole, range_)
    if found.low is None or found.high is None:
        assert len({right / count for right, count in zip(part.tolist(), whole.tolist(), strict=True)}) == 1
        assert range_.high is None
    else:
        assert range_.low <= found.low <= found.value <= found.high <= (math.inf if range_.high is None else range_.high)
        assert found.high > found.low


def test_groups_that_agree_do_not_prove_that_all_do():
    """Nine groups without an error: a share of 1 - 3 / 9 of all groups could still be so, the rule of three."""
    count = sums(*[20.0] * 9)
    found = rate_interval(count, count)
    assert (found.low, found.high) == (pytest.approx(0.05 ** (1 / 9)), 1.0) and abs(found.low - (1 - 3 / 9)) < 0.06
    assert rate_interval(0 * count, count).high == pytest.approx(1 - 0.05 ** (1 / 9))
    assert rate_interval(count, count, ERROR_RATE).low is None  # others may lose any number of words
    one_large = rate_interval(sums(1000, 1, 1), sums(1000, 1, 1))
    assert one_large.low < 0.06 < found.low  # as good as one group


def test_one_group_and_a_group_that_a_metric_cannot_do_without_have_no_interval():
    alone = rate_interval(sums(3, 0), sums(5, 0))
    assert (alone.value, alone.low, alone.high, alone.groups) == (0.6, None, None, 1)
    found = leave_out_interval(0.7, sums(0.6, math.nan, 0.8), sums(1, 1, 1), ANY)
    assert (found.value, found.low, found.high, found.groups) == (0.7, None, None, 3)


def test_many_groups_are_left_out_in_parts_and_counted_whole():
    generator = torch.Generator().manual_seed(0)
    assert divide_groups(7, 10, generator).tolist() == list(range(7))
    parts = divide_groups(1003, 20, generator)
    assert sorted(torch.bincount(parts).unique().tolist()) == [50, 51]
    assert leave_out_interval(0.5, torch.rand(20).double(), torch.ones(20).double(), SHARE, groups=1003).groups == 1003


def test_folds_are_put_together_by_their_errors():
    folds = [rate_interval(sums(8, 6, 9), sums(10, 10, 10)), rate_interval(sums(5, 7), sums(10, 10))]
    found = mean_interval(folds, SHARE)
    error = math.sqrt(folds[0].error ** 2 + folds[1].error ** 2) / 2
    assert (found.value, found.error, found.groups) == (pytest.approx((23 / 30 + 0.6) / 2), pytest.approx(error), 5)
    assert 1 < found.degrees < 3 and found.low < found.value < found.high
    assert mean_interval(folds[:1], SHARE) == folds[0]
    agreed = mean_interval([rate_interval(sums(5, 5), sums(5, 5))] * 2, SHARE)
    assert (agreed.low, agreed.high, agreed.groups) == (pytest.approx(0.05 ** (1 / 4)), 1.0, 4)
    assert mean_interval([folds[0], Interval(0.5, 0.4, 0.6)], SHARE).low is None  # a fold of an earlier version
    with pytest.raises(ValueError, match="a fold or more"):
        mean_interval([], SHARE)


def test_an_error_as_large_as_the_range_still_gives_numbers():
    found = leave_out_interval(0.5, sums(0.0, 1.0), sums(1, 1), SHARE)
    assert 0 <= found.low < 1e-5 and 1 - 1e-5 < found.high <= 1
    assert leave_out_interval(1e-9, sums(5.0, 7.0), sums(1, 1), ERROR_RATE).high < math.inf
    assert leave_out_interval(0.2, sums(0.1, 0.3), sums(1, 1), CORRELATION).low > -1


def test_every_metric_has_one_range():
    assert RANGES["wer"].high is None and RANGES["accuracy"] == SHARE and not RANGES["auroc"].is_mean


@given(st.lists(st.floats(-3, 0.99), min_size=3, max_size=9))
def test_no_end_of_r2_is_above_1(parts):
    """Of few people, whose parts scatter, a symmetric interval reaches beyond what r2 can be."""
    value = sum(parts) / len(parts)
    found = leave_out_interval(value, sums(*parts), sums(*[1.0] * len(parts)), RANGES["r2"])
    if found.low is not None and found.high is not None:
        assert found.low <= value <= found.high <= 1
