"""Search in the Gram table: the packed minimum, costs against distances, large means, codebooks of any number."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.tokens.search import Effort, GramTable, effort_of, search, smallest


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(1, 5), st.sampled_from([1e-20, 1e-3, 1.0, 1e20]), st.integers(0, 999))
def test_the_packed_minimum_is_the_smallest_up_to_rounding(columns, rows, scale, seed):
    costs = scale * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    before = costs.clone()
    found = costs[torch.arange(rows), smallest(costs.clone())]
    assert torch.equal(costs, before)
    assert (found - costs.amin(1) <= 2.0**-14 * costs.amin(1).abs()).all()


def test_costs_are_squared_distances():
    centers = torch.randn(3, 5, 7)
    table = GramTable.build(centers)
    frames = torch.randn(11, 7)
    codes = torch.randint(5, (11, 3))
    expected = (frames - sum(centers[n, codes[:, n]] for n in range(3))).square().sum(1)
    globals_ = codes + torch.arange(3) * 5
    centred = frames - table.mean
    torch.testing.assert_close(table.squared_error(centred, globals_), expected)
    unary = table.unary(centred)
    alone = sum(unary[n][torch.arange(11), codes[:, n]] for n in range(3))
    # Each pair is in the tables twice, and each table holds 2 c.c'.
    pairs = sum(table.pairs[n][globals_].sum(1)[torch.arange(11), codes[:, n]] for n in range(3)) / 2
    torch.testing.assert_close(centred.square().sum(1) + alone + pairs, expected, rtol=1e-4, atol=1e-4)


def test_large_means_of_codebooks_do_not_blur_the_search():
    centers = torch.randn(4, 16, 8)
    shift = 1000.0 * torch.tensor([1.0, -2.0, 3.0, 1.0])[:, None, None] * torch.randn(4, 1, 8)
    frames = torch.randn(64, 8)
    plain = search(GramTable.build(centers), frames, None, effort_of("default", 4))
    shifted = search(GramTable.build(centers + shift), frames + shift.sum((0, 1)), None, effort_of("default", 4))
    assert (plain == shifted).all(1).float().mean() > 0.9  # thousands cost the centres their last three digits


@pytest.mark.parametrize("num_codebooks", [1, 2, 3, 7, 32])
def test_kicks_leave_no_codebook_out_of_range(num_codebooks):
    table = GramTable.build(torch.randn(num_codebooks, 6, 9))
    codes = search(table, torch.randn(20, 9), None, Effort(sweeps=1, rounds=4))
    offsets = torch.arange(num_codebooks) * 6
    assert ((codes - offsets >= 0) & (codes - offsets < 6)).all()


def test_a_sweep_ends_where_no_single_code_can_be_improved():
    table = GramTable.build(torch.randn(3, 8, 5))
    frames = torch.randn(30, 5)
    codes = search(table, frames, None, Effort(sweeps=20))
    error = table.squared_error(frames - table.mean, codes)
    for n in range(3):
        for k in range(8):
            other = codes.clone()
            other[:, n] = n * 8 + k
            assert (table.squared_error(frames - table.mean, other) >= error - 1e-3).all()
