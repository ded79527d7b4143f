"""The integer table: what it holds against distances of vectors, and what does not fit an int16."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.tokens.gram_table import BLOCK, BOUND, CUT, LIFT, GramTable


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
    alone = sum(unary[torch.arange(11), n, codes[:, n]] for n in range(3))
    # Each pair is in the table twice, and the diagonal holds the lift.
    pairs = table.unit * (table.pairs[globals_[:, :, None], globals_[:, None]].double().sum((1, 2)) - 3 * LIFT) / 2
    torch.testing.assert_close(
        (centred.square().sum(1) + alone).double() + pairs, expected.double(), rtol=1e-3, atol=3 * table.unit
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12), st.integers(2, 20), st.integers(1, 12), st.sampled_from([1e-12, 1.0, 1e12]), st.integers(0, 99))
def test_no_sum_leaves_an_int16(num_codebooks, codebook_size, dim, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    table = GramTable.build(scale * torch.randn(num_codebooks, codebook_size, dim, generator=generator))
    assert torch.equal(table.pairs, table.pairs.T)
    between = table.pairs.long() - LIFT * torch.eye(len(table.pairs), dtype=torch.int64)
    reach = between.view(-1, num_codebooks, codebook_size).abs().amax(2).sum(1)
    assert int(reach.max()) <= BOUND
    for size in (1.0, 1e6):
        field = table.integer_unary(table.unary(scale * size * torch.randn(9, dim, generator=generator)))
        assert int(field.min()) == 0 and int(field.max()) <= CUT


def test_a_lifted_entry_is_above_all_others_and_within_an_int16():
    assert CUT + BOUND + LIFT < 2**15 and CUT + BOUND < LIFT - BOUND and CUT >= 2 * BOUND


def test_identical_entries_are_taken():
    table = GramTable.build(torch.ones(3, 4, 5))
    assert int(table.pairs.amax()) == LIFT and int(table.pairs.count_nonzero()) == 12
    assert int(table.integer_unary(table.unary(torch.randn(2, 5))).max()) <= CUT


@pytest.mark.parametrize("rows", [1, 7, BLOCK, BLOCK + 1])
def test_products_of_a_frame_do_not_depend_on_the_others(rows):
    generator = torch.Generator().manual_seed(0)
    table = GramTable.build(torch.randn(4, 32, 24, generator=generator))
    frames = torch.randn(2 * BLOCK, 24, generator=generator)
    assert torch.equal(table.unary(frames[:rows]), table.unary(frames)[:rows])


def test_tables_beyond_the_limit_are_refused_before_they_are_made():
    with pytest.raises(ConfigError, match="32 codebooks of 2000 need a table of 8 GiB, the limit is 4"):
        GramTable.build(torch.zeros(32, 2000, 1))
