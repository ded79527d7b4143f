"""Tabu search: against a slow second implementation, torch against numba, and what no search may do."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.tokens import search as search_module
from audiossl.tokens import tabu
from audiossl.tokens.gram_table import CUT, LIFT, GramTable
from audiossl.tokens.search import SEARCH, search, search_field, steps_of

pytest.importorskip("numba")
from audiossl.tokens import tabu_numba


def example(num_codebooks: int, codebook_size: int, num_frames: int, seed: int, dim: int = 6, size: float = 1.5):
    generator = torch.Generator().manual_seed(seed)
    table = GramTable.build(torch.randn(num_codebooks, codebook_size, dim, generator=generator))
    return table, size * torch.randn(num_frames, dim, generator=generator)


def field_of(table: GramTable, frames: torch.Tensor) -> torch.Tensor:
    return table.integer_unary(table.unary(table.centred(frames)))


def plain_tabu(unary: np.ndarray, pairs: np.ndarray, num_codebooks: int, steps: int) -> tuple[list[int], int]:
    """One frame, as the paper would write it: every cost from the definition, every change tried."""
    K = len(unary) // num_codebooks

    def total(codes: list[int]) -> int:
        between = sum(int(pairs[codes[m], codes[n]]) for n in range(len(codes)) for m in range(n))
        return sum(int(unary[c]) for c in codes) + between

    codes: list[int] = []
    for n in range(num_codebooks):
        codes.append(min(range(n * K, (n + 1) * K), key=lambda k: total([*codes, k])))
    best, least, free_from = list(codes), total(codes), [0] * num_codebooks
    for step, tenure in enumerate(tabu.draw_tenures(num_codebooks, steps)):
        options = []
        for n in range(num_codebooks):
            others = [k for k in range(n * K, (n + 1) * K) if k != codes[n]]
            cost, k = min((total([*codes[:n], k, *codes[n + 1 :]]), k) for k in others)
            if free_from[n] <= step or cost < least:
                options.append((cost, n, k))
        cost, n, k = min(options)
        codes[n], free_from[n] = k, step + 1 + tenure
        if cost < least:
            best, least = list(codes), cost
    return best, least


@pytest.mark.parametrize("find", [tabu.tabu_search, tabu_numba.tabu_search])
@pytest.mark.parametrize(("num_codebooks", "codebook_size"), [(2, 3), (3, 4), (5, 3)])
def test_both_do_what_the_definition_says(find, num_codebooks, codebook_size):
    table, frames = example(num_codebooks, codebook_size, 12, 3)
    field = field_of(table, frames)
    expected = [plain_tabu(row.numpy(), table.pairs.numpy(), num_codebooks, 15) for row in field]
    codes, energy = find(field, table.pairs, num_codebooks, 15)
    assert codes.tolist() == [best for best, _ in expected] and energy.tolist() == [least for _, least in expected]


RECORDED = [[3, 5, 8, 12, 17], [3, 7, 11, 14, 16], [2, 4, 8, 12, 16], [3, 5, 11, 12, 16], [2, 6, 10, 13, 16], [3, 6, 11, 13, 19]]

SHAPES = [(3, 4), (5, 3), (7, 64)]  # few, since each is compiled


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(SHAPES), st.integers(1, 40), st.integers(0, 60), st.sampled_from([0.1, 2.0, 1e6]), st.integers(0, 99))
def test_numba_finds_the_codes_of_torch(shape, num_frames, steps, size, seed):
    table, frames = example(*shape, num_frames, seed, size=size)
    field = field_of(table, frames)
    codes, energy = tabu.tabu_search(field.clone(), table.pairs, shape[0], steps)
    codes_numba, energy_numba = tabu_numba.tabu_search(field, table.pairs, shape[0], steps)
    assert torch.equal(codes, codes_numba) and torch.equal(energy, energy_numba)


def test_numba_finds_the_codes_of_torch_where_codebooks_are_large():
    table, frames = example(8, 256, 64, 0, dim=64)
    field = field_of(table, frames)
    codes, _ = tabu.tabu_search(field.clone(), table.pairs, 8, 88)
    assert torch.equal(tabu_numba.tabu_search(field, table.pairs, 8, 88)[0], codes)


def test_threads_change_no_code(monkeypatch):
    table, frames = example(3, 4, 101, 5)
    field = field_of(table, frames)
    alone = tabu_numba.tabu_search(field.clone(), table.pairs, 3, 30)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    shared = tabu_numba.tabu_search(field, table.pairs, 3, 30)
    assert torch.equal(shared[0], alone[0]) and torch.equal(shared[1], alone[1])


def test_the_energy_is_the_squared_error():
    table, frames = example(4, 16, 50, 1)
    centred = table.centred(frames)
    unary = table.unary(centred)
    least = unary.amin(2).sum(1)
    codes, energy = tabu.tabu_search(table.integer_unary(unary.clone()), table.pairs, 4, 40)
    reported = centred.square().sum(1) + least + table.unit * energy
    torch.testing.assert_close(reported, table.squared_error(centred, codes), rtol=0, atol=6 * table.unit)  # rounding of 10 terms


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(2, 9), st.integers(0, 40), st.sampled_from([0.1, 2.0, 1e5, 1e15]), st.integers(0, 99))
def test_no_frame_ends_above_a_greedy_start(num_codebooks, codebook_size, steps, size, seed):
    table, frames = example(num_codebooks, codebook_size, 9, seed, size=size)
    centred = table.centred(frames)
    start = table.squared_error(centred, search_field_or_nearest(table, frames, 0))
    found = table.squared_error(centred, search_field_or_nearest(table, frames, steps))
    assert (found <= start * (1 + 1e-5) + num_codebooks**2 * table.unit).all()


def search_field_or_nearest(table: GramTable, frames: torch.Tensor, steps: int) -> torch.Tensor:
    """By torch, whose shapes need no compiler."""
    if table.num_codebooks == 1:
        return search(table, frames, steps)
    return search_field(table, field_of(table, frames), steps, tabu.tabu_search)


def test_one_codebook_gives_the_nearest_entry():
    table, frames = example(1, 40, 70, 2)
    nearest = torch.cdist(table.centred(frames), table.centers).argmin(1)
    assert torch.equal(search(table, frames, 7)[:, 0], nearest)


def test_an_entry_that_was_cut_gives_way_to_the_cheapest():
    table, _ = example(3, 4, 5, 0)
    field = torch.randint(100, (5, 12), dtype=torch.int16)
    field[:, 1] = CUT

    def find(field, pairs, num_codebooks, steps):
        return torch.tensor([[1, 5, 9]]).expand(5, 3), torch.zeros(5)

    codes = search_field(table, field.clone(), 1, find)
    assert torch.equal(field.gather(1, codes[:, :1])[:, 0], field[:, :4].amin(1)) and codes[:, 1:].tolist() == [[5, 9]] * 5


def test_large_means_of_codebooks_do_not_blur_the_search():
    centers = torch.randn(4, 16, 8)
    shift = 1000.0 * torch.tensor([1.0, -2.0, 3.0, 1.0])[:, None, None] * torch.randn(4, 1, 8)
    frames = torch.randn(64, 8)
    plain = search(GramTable.build(centers), frames, steps_of("default", 4))
    shifted = search(GramTable.build(centers + shift), frames + shift.sum((0, 1)), steps_of("default", 4))
    # Thousands cost the centres their last three digits; the codes of a few frames are near-ties.
    assert (plain == shifted).all(1).float().mean() > 0.85


@pytest.mark.parametrize("num_codebooks", [2, 3, 4, 8, 16, 32])
def test_tenures_leave_a_codebook_to_change(num_codebooks):
    tenures = tabu.draw_tenures(num_codebooks, 500)
    assert min(tenures) >= 1 and max(tenures) < num_codebooks
    assert tenures[:100] == tabu.draw_tenures(num_codebooks, 100)
    assert num_codebooks < 4 or len(set(tenures)) > 1


def test_equal_frames_and_equal_entries_are_decided_alike():
    table = GramTable.build(torch.randn(3, 4, 5)[:, [0, 1, 1, 0]])
    frames = torch.randn(1, 5).expand(600, 5)
    codes = search(table, frames, 20)
    assert (codes == codes[0]).all()
    assert torch.equal(codes, search_field(table, field_of(table, frames), 20, tabu.tabu_search))


@pytest.mark.parametrize(("quality", "passes"), [("exact", None), ("better", None), ("fast", -1)])
def test_unknown_searches_are_refused(quality, passes):
    with pytest.raises(ConfigError, match=r"quality must be|0 or more"):
        steps_of(quality, 4, passes)


def test_a_broken_numba_is_announced_once_and_torch_searches(monkeypatch, caplog):
    def broken(*shape):
        raise SystemError("no LLVM")

    monkeypatch.setattr(search_module, "_broken", [])
    table, frames = example(3, 4, 5, 0)
    expected = search(table, frames, 9)
    monkeypatch.setattr(tabu_numba, "kernel", broken)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(search(table, frames, 9), expected) and torch.equal(search(table, frames, 9), expected)
    assert len(caplog.records) == 1 and "no LLVM" in caplog.text


def test_without_a_folder_to_write_the_kernel_is_compiled_for_this_process(monkeypatch):
    tried = []
    compiled = tabu_numba._compiled

    def refuse_cache(function, cache):
        tried.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compiled(function, cache=False)

    monkeypatch.setattr(tabu_numba, "_compiled", refuse_cache)
    tabu_numba.kernel.cache_clear()
    table, frames = example(2, 2, 5, 0)
    field = field_of(table, frames)
    expected, _ = tabu.tabu_search(field.clone(), table.pairs, 2, 5)
    assert torch.equal(tabu_numba.tabu_search(field, table.pairs, 2, 5)[0], expected) and tried == [True, False]
    tabu_numba.kernel.cache_clear()


def test_numba_is_not_imported_with_the_package():
    program = "import sys, audiossl.tokens.quantiser, audiossl.tokens.store; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_codes_of_this_name_are_these():
    """They stand in stores and fingerprints: raise the version in SEARCH where they change."""
    generator = np.random.default_rng(0)
    field = torch.from_numpy(generator.integers(0, CUT, (6, 20)).astype(np.int16))
    half = generator.integers(-500, 500, (20, 20))
    pairs = np.where(np.kron(np.eye(5), np.ones((4, 4))) > 0, 0, half + half.T).astype(np.int16) + LIFT * np.eye(
        20, dtype=np.int16
    )
    codes, _ = tabu.tabu_search(field, torch.from_numpy(pairs), 5, 30)
    assert (SEARCH, codes.tolist()) == ("tabu-2", RECORDED)
