"""Padding masks and padded stacks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiossl.lengths import known_on_host, mapped, on_host, pad_stack, padding_mask, standardise_known
from audiossl.objectives.batch import collate_tokens


def test_true_is_padding():
    mask = padding_mask(torch.tensor([0, 2, 3]), 3)
    assert mask.tolist() == [[True] * 3, [False, False, True], [False] * 3]
    assert padding_mask(torch.tensor([5]), 3).tolist() == [[False] * 3]


@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.sampled_from([(), (2,), (2, 3)]), st.floats(-3, 3, width=32))
def test_stack_holds_every_item_and_the_value_elsewhere(sizes, rest, value):
    items = [torch.randn(size, *rest) for size in sizes]
    batch, lengths = pad_stack(items, value)
    assert batch.shape == (len(sizes), max(sizes), *rest) and lengths.tolist() == sizes
    mask = padding_mask(lengths, max(sizes))
    assert torch.equal(batch[~mask], torch.cat(items))
    assert bool((batch[mask] == value).all())


def test_type_is_kept():
    batch, lengths = pad_stack([torch.tensor([1, 2]), torch.tensor([3])])
    assert batch.dtype == torch.int64 and batch.tolist() == [[1, 2], [3, 0]] and lengths.dtype == torch.int64


def test_known_samples_are_standardised_and_others_are_zero():
    signal = 5 + 3 * torch.randn(2, 3, 40)
    known = torch.rand(2, 3, 40) < 0.7
    signal[~known] = torch.nan
    found = standardise_known(signal, known)
    for row, mask, values in zip(found.flatten(0, 1), known.flatten(0, 1), signal.flatten(0, 1), strict=True):
        expected = (values[mask] - values[mask].mean()) / values[mask].std(correction=0)
        torch.testing.assert_close(row[mask], expected, rtol=1e-4, atol=1e-5)
        assert not row[~mask].any()


@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1e-13), (1e6, 1.0), (0.0, 1e9), (-9.81, 1e-3)])
def test_any_unit_is_standardised(offset, scale):
    signal = offset + scale * torch.randn(2, 3, 400)
    found = standardise_known(signal, torch.ones_like(signal, dtype=torch.bool))
    assert float((found.std(-1, correction=0) - 1).abs().max()) < 1e-2
    assert float(found.mean(-1).abs().max()) < 0.2


@pytest.mark.parametrize("value", [0.0, 0.1, 9.81, 101325.1, 1e-13])
def test_what_is_constant_but_for_rounding_becomes_zero(value):
    signal = torch.full((1, 2, 1000), value)
    assert not standardise_known(signal, torch.ones_like(signal, dtype=torch.bool)).any()


def test_what_the_host_knows_of_lengths_moves_with_them_and_no_further():
    batch = collate_tokens(["a", "b"], [torch.zeros(1, 800), torch.zeros(1, 500)], [{"t": torch.zeros(2, 1).int()}, {}])
    assert known_on_host(batch.lengths) == [800, 500] and known_on_host(batch.tokens["t"]) == [2, 0]
    moved = batch.to(torch.device("cpu"))
    assert known_on_host(moved.lengths) == [800, 500] and moved.seconds == 1300 / 16000
    assert on_host(mapped(moved.lengths, lambda length: length // 100)) == [8, 5]
    for half, length in zip(moved.halves(), (800, 500), strict=True):
        assert known_on_host(half.lengths) is None and on_host(half.lengths) == [length]
