"""Search in the Gram table: costs against distances, tabu search against a slow one, torch against numba, sums in 16 bits."""

from __future__ import annotations

import itertools
import logging
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.tokens import search as search_module
from audiossl.tokens.gram_table import LIFT, GramTable
from audiossl.tokens.search import compiled_search, search, steps_of, tenures
from audiossl.tokens.tabu import tabu_search


def squared_error(centers, frames, codes):
    """Of global codes."""
    return (frames - torch.nn.functional.embedding_bag(codes, centers.flatten(0, 1), mode="sum")).square().sum(1)


def slow_tabu(pairs, unary, num_codebooks, tenures):
    """One frame, its field computed anew at every step."""
    K = len(unary) // num_codebooks
    books = [range(n * K, (n + 1) * K) for n in range(num_codebooks)]
    codes: list[int] = []
    for book in books:
        codes.append(min(book, key=lambda j: unary[j] + sum(pairs[c][j] for c in codes)))

    def energy(codes):
        return sum(unary[c] for c in codes) + sum(pairs[c][d] for c, d in itertools.combinations(codes, 2))

    best, changed = list(codes), [-(10**6)] * num_codebooks
    for step, tenure in enumerate(tenures):
        moves = []
        for n, book in enumerate(books):
            others = [(energy([*codes[:n], j, *codes[n + 1 :]]), n, j) for j in book if j != codes[n]]
            if others:
                after, _, j = min(others)
                if changed[n] < step - tenure or after < energy(best):
                    moves.append((after, n, j))
        if moves:
            _, n, codes[n] = min(moves)
            changed[n] = step
        if energy(codes) < energy(best):
            best = list(codes)
    return best


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 6), st.integers(1, 5), st.integers(1, 8), st.integers(0, 9), st.integers(0, 999))
def test_the_search_is_the_slow_one(num_codebooks, codebook_size, dim, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    table = GramTable.build(torch.randn(num_codebooks, codebook_size, dim, generator=generator))
    unary = table.unary(2 * torch.randn(4, dim, generator=generator))
    drawn = tenures(num_codebooks, steps)
    found = tabu_search(table.pairs, unary, num_codebooks, drawn)
    expected = [slow_tabu(table.pairs.tolist(), row, num_codebooks, drawn) for row in unary.tolist()]
    assert found.tolist() == expected


@pytest.mark.parametrize(("num_codebooks", "codebook_size", "dim"), [(2, 300, 16), (8, 32, 40)])
def test_numba_gives_the_codes_of_torch(num_codebooks, codebook_size, dim):
    tabu_numba = pytest.importorskip("audiossl.tokens.tabu_numba", reason="numba is not installed")
    table = GramTable.build(torch.randn(num_codebooks, codebook_size, dim))
    unary = table.unary(2 * torch.randn(64, dim))
    for steps in (0, 3 * num_codebooks):
        drawn = tenures(num_codebooks, steps)
        ours = tabu_numba.tabu_search(table.pairs, unary, num_codebooks, drawn)
        assert torch.equal(ours, tabu_search(table.pairs, unary, num_codebooks, drawn))


def test_without_numba_the_search_runs_in_torch(monkeypatch, caplog):
    compiled_search.cache_clear()
    monkeypatch.setattr(search_module.importlib.util, "find_spec", lambda name: None)
    assert compiled_search() is tabu_search
    compiled_search.cache_clear()
    monkeypatch.setattr(search_module.importlib.util, "find_spec", lambda name: object())
    monkeypatch.delitem(sys.modules, "audiossl.tokens.tabu_numba", raising=False)
    monkeypatch.delattr("audiossl.tokens.tabu_numba", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)  # cannot be imported
    with caplog.at_level(logging.WARNING):
        assert compiled_search() is tabu_search
    assert "numba cannot be used" in caplog.text
    compiled_search.cache_clear()


def test_costs_are_squared_distances_to_half_a_unit():
    centers = torch.randn(3, 5, 7)
    table = GramTable.build(centers)
    frames = 2 * torch.randn(11, 7)
    unary = table.unary(frames).long()
    codes = torch.cartesian_prod(*(torch.arange(5) + n * 5 for n in range(3)))
    for frame, costs in zip(frames, unary, strict=True):
        pairs = sum(table.pairs[codes[:, m], codes[:, n]].long() for m, n in itertools.combinations(range(3), 2))
        found = (costs[codes].sum(1) + pairs) * table.unit
        expected = squared_error(centers, frame.expand(len(codes), -1), codes)
        is_exact = (costs[codes] < table.cut).all(1)
        difference = (found - expected)[is_exact]
        assert (difference - difference.mean()).abs().max() < 6 * table.unit, "they differ by what all codes share"
        assert int(expected.argmin()) in is_exact.nonzero()[:, 0].tolist(), "what is cut is never the best"


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 33), st.integers(2, 9), st.integers(1, 6), st.sampled_from([1e-4, 1.0, 1e6]), st.integers(0, 999))
def test_no_sum_leaves_sixteen_bits(num_codebooks, codebook_size, dim, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    table = GramTable.build(torch.randn(num_codebooks, codebook_size, dim, generator=generator))
    by_codebook = table.pairs.long().abs().view(-1, num_codebooks, codebook_size).amax(2)
    assert table.cut + int(by_codebook.sum(1).max()) + LIFT <= 2**15 - 1
    unary = table.unary(scale * torch.randn(8, dim, generator=generator))
    assert int(unary.min()) >= 0 and int(unary.max()) <= table.cut
    assert (unary.view(8, num_codebooks, codebook_size).amin(2) == 0).all()


def test_large_means_of_codebooks_do_not_blur_the_search():
    centers = torch.randn(4, 16, 8)
    shift = 1000.0 * torch.tensor([1.0, -2.0, 3.0, 1.0])[:, None, None] * torch.randn(4, 1, 8)
    frames = torch.randn(64, 8)
    plain = search(GramTable.build(centers), frames, steps_of("default", 4))
    shifted = search(GramTable.build(centers + shift), frames + shift.sum((0, 1)), steps_of("default", 4))
    assert (plain == shifted).all(1).float().mean() > 0.9  # thousands cost the centres their last three digits


@pytest.mark.parametrize("num_codebooks", [1, 2, 3, 7, 32])
def test_codes_stay_in_their_codebooks_and_many_steps_do_not_end_higher(num_codebooks):
    centers = torch.randn(num_codebooks, 6, 9)
    frames = num_codebooks**0.5 * torch.randn(200, 9)
    table, offsets = GramTable.build(centers), torch.arange(num_codebooks) * 6
    errors = []
    for steps in (0, num_codebooks, 14 * num_codebooks, 40 * num_codebooks):
        codes = search(table, frames, steps)
        assert ((codes - offsets >= 0) & (codes - offsets < 6)).all()
        errors.append(squared_error(centers, frames, codes))
    slack = 2 * num_codebooks**2 * table.unit
    assert all((later <= earlier + slack).all() for earlier, later in itertools.pairwise(errors))
    if num_codebooks > 3:
        assert errors[0].mean() > errors[1].mean() > errors[2].mean()


def test_codebooks_that_do_not_meet_are_chosen_alone():
    """Orthogonal codebooks interact with nothing: each takes its nearest entry."""
    centers = torch.zeros(2, 5, 4)
    centers[0, :, :2], centers[1, :, 2:] = torch.randn(5, 2), torch.randn(5, 2)
    frames = torch.randn(50, 4)
    expected = torch.stack([torch.cdist(frames, centers[n]).argmin(1) for n in range(2)], 1)
    table = GramTable.build(centers)
    assert torch.equal(search(table, frames, 0), expected + torch.tensor([0, 5]))
    assert torch.equal(search(table, frames, 20), expected + torch.tensor([0, 5]))
    same = GramTable.build(torch.ones(2, 3, 4))
    assert search(same, frames, 5).tolist() == [[0, 3]] * 50, "of entries that cost the same the first is taken"


def test_of_a_block_only_the_wanted_frames_are_searched():
    table = GramTable.build(torch.randn(4, 8, 5))
    frames = torch.randn(20, 5)
    assert torch.equal(search(table, frames, 9, count=3), search(table, frames, 9)[:3])
    single = GramTable.build(torch.randn(1, 8, 5))
    assert torch.equal(search(single, frames, 9, count=3), search(single, frames, 9)[:3])


def test_steps_and_tenures():
    assert [steps_of(quality, 8) for quality in ("fast", "default", "best")] == [8, 112, 320]
    assert tenures(2, 50) == [1] * 50 and set(tenures(4, 100)) == {1, 2, 3} and set(tenures(16, 500)) == {1, 2, 3, 4, 5}
    assert tenures(16, 100) == tenures(16, 500)[:100] and max(tenures(32, 500)) == 10
    with pytest.raises(ConfigError, match="0 or more"):
        steps_of("fast", 8, -1)
    with pytest.raises(ConfigError, match="'excellent'"):
        steps_of("excellent", 8)
