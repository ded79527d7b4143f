"""Finite scalar quantisation: rounding, levels and the linear decoder against slow second implementations."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_quantize_pytorch import FSQ

from audiossl.errors import ConfigError
from audiossl.tokens import finite_scalar
from audiossl.tokens.finite_scalar import GAUSSIAN, FiniteScalarQuantizer, choose_levels
from audiossl.tokens.gram_table import BLOCK


def gaussian_frames(dim: int, decay: float, count: int = 5000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    rotation = torch.linalg.qr(torch.randn(dim, dim, generator=generator))[0]
    return torch.randn(count, dim, generator=generator) @ (rotation * decay ** torch.arange(dim)).T + 2


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return gaussian_frames(16, 0.85)


@pytest.fixture(scope="module")
def fitted(frames) -> FiniteScalarQuantizer:
    return FiniteScalarQuantizer.fit(frames[:4000], 3, 64)


def level_indices(fitted: FiniteScalarQuantizer, frames: torch.Tensor) -> torch.Tensor:
    """(T, N, L), by the formula of the paper's appendix."""
    levels = [level for level in fitted.levels.tolist() if level > 1]
    z = torch.einsum("td,nld->tnl", fitted.normalise(frames), fitted.axes) + fitted.offset
    columns = []
    for place, level in enumerate(levels):
        half, offset = (level - 1) * (1 + 1e-3) / 2, 0.5 if level % 2 == 0 else 0.0
        bounded = torch.tanh(z[..., place] + math.atanh(offset / half)) * half - offset
        columns.append(bounded.round().long() + level // 2)
    return torch.stack(columns, dim=-1)


def test_codes_are_the_mixed_radix_of_rounded_components(fitted, frames):
    index = level_indices(fitted, frames)
    levels = [level for level in fitted.levels.tolist() if level > 1]
    assert fitted.codebook_size == math.prod(levels) <= 64
    expected, basis = torch.zeros_like(index[..., 0]), 1
    for place, level in enumerate(levels):
        assert int(index[..., place].min()) >= 0 and int(index[..., place].max()) < level
        expected += basis * index[..., place]
        basis *= level
    same = fitted.encode(frames).long() == expected
    assert same.float().mean() > 0.999  # a component may lie on a border


def test_decoder_is_the_least_squares_map_of_the_rounded_components(fitted, frames):
    train = frames[:4000]
    levels = torch.tensor([level for level in fitted.levels.tolist() if level > 1])
    codes = fitted.encode(train).long()
    basis = torch.cat([torch.ones(1, dtype=torch.int64), levels.cumprod(0)[:-1]])
    index = (codes[..., None] // basis) % levels
    values = torch.cat([((index - levels // 2) / (levels // 2)).flatten(1), torch.ones(len(train), 1)], dim=1).double()
    target = fitted.normalise(train).double()
    expected = values @ torch.linalg.lstsq(values, target).solution
    torch.testing.assert_close(fitted.normalise(fitted.decode(codes)).double(), expected, rtol=1e-4, atol=1e-4)


def test_nearly_all_entries_are_used(fitted, frames):
    for column in fitted.encode(frames).T:
        assert len(column.unique()) > 0.8 * fitted.codebook_size


@pytest.mark.parametrize("levels", [3, 4, 8, 11, 16])
def test_table_of_gaussian_errors(levels):
    grid = (torch.arange(40000, dtype=torch.float64) + 0.5) / 40000
    normal = torch.erfinv(2 * grid - 1) * math.sqrt(2)

    def error(gain: float) -> float:
        values = FSQ([levels]).quantize((gain * normal)[:, None])[:, 0]
        values = values - values.mean()
        return float((normal - values * (values @ normal) / (values @ values)).square().mean())

    gain, expected = GAUSSIAN[levels]
    assert error(gain) == pytest.approx(expected, abs=3e-4)
    assert error(gain) <= min(error(gain - 0.03), error(gain + 0.03))


@settings(deadline=None, max_examples=40)
@given(st.integers(3, 300), st.integers(1, 12), st.integers(1, 24), st.floats(0.3, 1.0))
def test_levels_fit_or_are_refused(codebook_size, num_codebooks, dim, decay):
    variances = torch.tensor([decay**i for i in range(dim)], dtype=torch.float64)
    if num_codebooks > dim or 16 ** (dim // num_codebooks) < codebook_size / 2:
        with pytest.raises(ConfigError, match="fewer codebooks"):
            choose_levels(variances, num_codebooks, codebook_size)
        return
    levels = choose_levels(variances, num_codebooks, codebook_size)
    assert codebook_size / 2 <= math.prod(levels) <= codebook_size and num_codebooks * len(levels) <= dim
    assert levels == sorted(levels, reverse=True) and levels[-1] >= 3 and levels[0] <= 16


def test_level_sets_are_complete():
    slow = {
        tuple(sorted(levels, reverse=True))
        for count in (1, 2, 3)
        for levels in itertools.product(range(3, 17), repeat=count)
        if math.prod(levels) <= 100
    }
    found = [tuple(levels) for levels in finite_scalar._level_sets(100, 3)]
    assert len(found) == len(set(found)) and set(found) == slow


@pytest.mark.parametrize("decay", [0.7, 0.85, 0.95, 1.0])
def test_chosen_levels_are_nearly_the_best(decay, monkeypatch):
    frames = gaussian_frames(12, decay)

    def error() -> float:
        fitted = FiniteScalarQuantizer.fit(frames, 2, 64, normalise=False)
        return float((frames - fitted.decode(fitted.encode(frames))).square().mean())

    chosen = error()
    others = []
    for levels in ([16, 4], [8, 8], [7, 3, 3], [5, 4, 3], [4, 4, 4], [12, 5]):
        monkeypatch.setattr(finite_scalar, "choose_levels", lambda *_, levels=levels: levels)
        others.append(error())
    assert chosen <= 1.03 * min(others) and chosen < 0.9 * max(others)


def test_normalised_copies_of_frames_get_the_same_codes(fitted, frames):
    scaled = FiniteScalarQuantizer.fit(frames[:4000] * 8 + 16, 3, 64)
    same = scaled.encode(frames * 8 + 16) == fitted.encode(frames)
    assert same.float().mean() > 0.99


def test_frames_of_low_rank_are_rebuilt_from_their_few_axes():
    generator = torch.Generator().manual_seed(3)
    frames = torch.randn(2000, 2, generator=generator) @ torch.randn(2, 9, generator=generator)
    fitted = FiniteScalarQuantizer.fit(frames, 4, 16)
    rebuilt = fitted.decode(fitted.encode(frames))
    assert torch.isfinite(rebuilt).all()
    assert (frames - rebuilt).square().mean() < 0.04 * frames.square().mean()


def test_chunks_do_not_change_codes(fitted, frames):
    whole = fitted.encode(frames)
    for cut in (1, BLOCK - 1, BLOCK + 7):
        assert torch.equal(torch.cat([fitted.encode(frames[:cut]), fitted.encode(frames[cut:])]), whole)
    assert fitted.encode(frames[:0]).shape == (0, 3) and fitted.decode(whole[:0]).shape == (0, 16)


def test_too_many_codebooks_and_untrained_quantisers_are_refused(frames):
    with pytest.raises(ConfigError, match="fewer codebooks"):
        FiniteScalarQuantizer.fit(frames, 17, 16)
    with pytest.raises(ConfigError, match="fewer codebooks"):
        FiniteScalarQuantizer.fit(frames, 16, 256)
    with pytest.raises(ConfigError, match="fit or load"):
        FiniteScalarQuantizer(16, 2, 16).encode(frames)
