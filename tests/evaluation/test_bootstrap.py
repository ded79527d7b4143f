from __future__ import annotations

import math

import pytest
import torch

from audiossl.errors import DataError
from audiossl.evaluation.bootstrap import bootstrap_rate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_groups_of_one_give_the_binomial_interval():
    size, share = 2000, 0.3
    correct = (torch.arange(size) < size * share).double()
    found = bootstrap_rate(correct, torch.ones(size).double(), seeded(), num_resamples=4000)
    half = 1.96 * math.sqrt(share * (1 - share) / size)
    assert found.value == pytest.approx(share)
    assert found.high - found.value == pytest.approx(half, rel=0.08)
    assert found.value - found.low == pytest.approx(half, rel=0.08)


def test_whole_groups_are_drawn_so_that_repeated_frames_do_not_narrow_it():
    correct = torch.tensor([1.0, 0.0] * 20).double()
    once = bootstrap_rate(correct, torch.ones(40).double(), seeded())
    repeated = bootstrap_rate(correct * 1000, torch.full((40,), 1000.0).double(), seeded())
    assert once == repeated
    assert once.high - once.low > 0.2


def test_coverage_is_near_the_level():
    truth, hits = 0.6, 0
    for seed in range(200):
        generator = seeded(seed)
        rate = (truth + 0.15 * torch.randn(60, generator=generator)).clamp(0, 1).double()  # speakers differ
        total = torch.randint(20, 60, (60,), generator=generator).double()
        correct = torch.binomial(total, rate, generator=generator)
        found = bootstrap_rate(correct, total, generator, num_resamples=500)
        hits += found.low <= truth <= found.high
    assert 178 <= hits <= 199  # 95 % of 200 is 190, with a deviation of 3


def test_empty_groups_change_nothing():
    correct, total = torch.rand(30).double() * 10, torch.full((30,), 10.0).double()
    zero = torch.zeros(5).double()
    found, padded = (bootstrap_rate(*sums) for sums in ((correct, total), (torch.cat([zero, correct]), torch.cat([zero, total]))))
    assert padded == found and found.groups == 30


def test_paired_difference_is_narrower_than_either():
    total = torch.full((100,), 50.0).double()
    difficulty = torch.rand(100).double() * 40
    better = difficulty + torch.arange(100) % 10
    found, alone = bootstrap_rate(better - difficulty, total), bootstrap_rate(better, total)
    assert found.value == pytest.approx(0.09) and found.high - found.low < 0.03 < 0.05 < alone.high - alone.low


def test_one_group_is_refused():
    with pytest.raises(DataError, match="2 groups"):
        bootstrap_rate(torch.tensor([3.0, 0.0]).double(), torch.tensor([5.0, 0.0]).double(), seeded())
