"""Whitening by neighbours next to closed forms, to a second implementation, and to what the mathematics promises."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from audiossl.errors import ConfigError, DataError
from audiossl.features import neighbour_whitening
from audiossl.features.neighbour_whitening import TOTAL_VARIANCE, WhiteningConfig, fit_neighbour_whitening


def walk(count=60, width=4, seed=0):
    """Features of windows of three recordings, and which follow which."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(count, width, generator=generator) @ torch.randn(width, width, generator=generator)
    follows = torch.ones(count, dtype=torch.bool)
    follows[[0, 20, 45]] = False
    return steps.cumsum(0) * torch.logspace(0, -1, width) + 3.0, follows


def fit(x, follows, *, block=16, **options):
    return fit_neighbour_whitening(lambda: x.split(block), follows, WhiteningConfig(**options))


def by_hand(x, follows, dim, shrinkage):
    """The formula in NumPy, with all windows at once."""
    x, pairs = x.double().numpy(), np.flatnonzero(follows.numpy())
    z = (x - x.mean(0)) / x.std(0)
    vectors = np.linalg.eigh(z.T @ z)[1][:, ::-1][:, :dim]
    p = z @ vectors
    half = (p[pairs] - p[pairs - 1]) / 2
    s = half.T @ half / len(pairs)
    values, turn = np.linalg.eigh(s + shrinkage * np.diag(s).mean() * np.eye(len(s)))
    w = p @ turn @ np.diag(values**-0.5) @ turn.T
    return torch.from_numpy(w * np.sqrt(TOTAL_VARIANCE / w.var(0).sum()))


@pytest.mark.parametrize(("dim", "shrinkage"), [(4, 1.0), (4, 0.0), (2, 1.0), (3, 0.1)])
def test_equal_to_the_formula(dim, shrinkage):
    x, follows = walk()
    found, expected = fit(x, follows, dim=dim, shrinkage=shrinkage)(x).double(), by_hand(x, follows, dim, shrinkage)
    # Directions have no sign of their own; products of windows say the same.
    torch.testing.assert_close(found @ found.T, expected @ expected.T, rtol=1e-4, atol=0.1)
    assert float(found.var(0, correction=0).sum()) == pytest.approx(TOTAL_VARIANCE, rel=1e-4)


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 1.0])
def test_a_known_covariance_gives_the_known_map(shrinkage):
    """Pairs u + d, u - d whose halves of differences are a e1 or b e2, about u = (+-p, +-q)."""
    p, q, a, b = 3.0, 5.0, 0.5, 4.0
    pairs = [(u, d) for u in product((-p, p), (-q, q)) for d in ((a, 0.0), (0.0, b))]
    x = torch.tensor([[u[0] + sign * d[0], u[1] + sign * d[1]] for u, d in pairs for sign in (1, -1)])
    follows = torch.arange(len(x)) % 2 == 1
    weight = fit(x, follows, block=5, shrinkage=shrinkage).weight
    variance = torch.tensor([p**2 + a**2 / 2, q**2 + b**2 / 2])
    differing = torch.tensor([a**2 / 2, b**2 / 2]) / variance
    expected = (variance * (differing + shrinkage * differing.mean())).rsqrt()
    assert float(weight[0, 1].abs() + weight[1, 0].abs()) < 1e-4 * float(weight[0, 0])
    assert float(weight[0, 0] / weight[1, 1]) == pytest.approx(float(expected[0] / expected[1]), rel=1e-4)


def test_without_shrinkage_differences_have_one_variance_in_all_directions():
    x, follows = walk()
    found = fit(x, follows, shrinkage=0.0)(x).double()
    half = (found.diff(dim=0) / 2)[follows[1:]]
    moments = half.T @ half / len(half)
    torch.testing.assert_close(moments / moments[0, 0], torch.eye(4, dtype=torch.float64), atol=1e-4, rtol=1e-4)


def test_without_shrinkage_invertible_maps_and_offsets_of_the_features_change_no_distance():
    x, follows = walk()
    turned = x @ torch.randn(4, 4, generator=torch.Generator().manual_seed(5)) + 7.0
    one, other = (torch.cdist(w, w) for w in (fit(f, follows, shrinkage=0.0)(f).double() for f in (x, turned)))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2)


def test_units_of_single_features_change_nothing_whatever_the_shrinkage():
    x, follows = walk()
    scaled = x * torch.tensor([1.0, 100.0, 0.01, 5.0]) - 2.0
    torch.testing.assert_close(fit(scaled, follows)(scaled), fit(x, follows)(x), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("block", [1, 7, 60])
def test_how_rows_are_divided_into_blocks_changes_nothing(block):
    x, follows = walk()
    torch.testing.assert_close(fit(x, follows, block=block, dim=3).weight, fit(x, follows, dim=3).weight, rtol=1e-5, atol=1e-5)


def test_only_rows_that_follow_are_compared():
    """What happens between recordings does not count: each may be turned round, or moved to another place of the order."""
    x, follows = walk()
    order = torch.cat([torch.arange(45, 60), torch.arange(20), torch.arange(20, 45)])
    torch.testing.assert_close(fit(x[order], follows[order]).weight, fit(x, follows).weight, rtol=1e-4, atol=1e-4)
    order = torch.cat([torch.arange(20).flip(0), torch.arange(20, 60)])
    torch.testing.assert_close(fit(x[order], follows).weight, fit(x, follows).weight, rtol=1e-4, atol=1e-4)
    everything = follows.clone()
    everything[[20, 45]] = True
    assert not torch.allclose(fit(x, everything).weight, fit(x, follows).weight, rtol=1e-2)


def test_the_leading_directions_of_wide_features_are_found_by_iteration(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(300, 6, generator=generator).cumsum(0) @ torch.randn(6, 40, generator=generator)
    x = x + 0.05 * torch.randn(300, 40, generator=generator)
    follows = torch.arange(300) > 0
    exact = fit(x, follows, dim=6)(x)
    monkeypatch.setattr(neighbour_whitening, "WIDEST_EXACT", 8)
    for block in (64, 300):
        found = fit(x, follows, dim=6, block=block)(x)
        torch.testing.assert_close(found @ found.T, exact @ exact.T, rtol=1e-3, atol=1.0)
    assert torch.equal(fit(x, follows, dim=6).weight, fit(x, follows, dim=6).weight)


def test_there_are_at_most_half_as_many_directions_as_windows_and_constant_features_count_for_nothing():
    x, follows = walk(count=60, width=4)
    x = torch.cat([x, torch.full((60, 1), 2.5)], dim=1)
    whiten = fit(x, follows, shrinkage=1.0)
    assert not whiten.weight[4].any()
    few = fit(x[:6], follows[:6])
    assert few.weight.shape == (5, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, f: (x.index_fill(0, torch.tensor([33]), torch.nan), f), r"NaN or infinity in 1 windows of a block, .* row 33"),
        (lambda x, f: (x, torch.zeros_like(f)), "no two of the windows are neighbours"),
        (lambda x, f: (x[:1].expand(60, 4), f), "every feature is the same"),
        (lambda x, f: (x, f[:40]), "expected features of 40 windows, .* got 60"),
        (lambda x, f: (x[::2].repeat_interleave(2, 0), torch.arange(60) % 2 == 1), "same features everywhere"),
    ],
)
def test_what_cannot_be_whitened_is_refused(change, said):
    with pytest.raises(DataError, match=said):
        fit(*change(*walk()))


def test_a_window_with_gaps_and_options_out_of_range_are_refused():
    x, follows = walk()
    whiten = fit(x, follows)
    x[3, 1] = torch.nan
    with pytest.raises(DataError, match="NaN or infinity in 1 windows of a block, the first in row 3"):
        whiten(x)
    with pytest.raises(DataError, match="do not vary in every direction"):
        fit(torch.cat([walk()[0]] * 2, 1), follows, shrinkage=0.0)
    for options in ({"dim": 0}, {"shrinkage": -1.0}, {"shrinkage": float("inf")}):
        with pytest.raises(ConfigError, match="dim of at least 1 and a shrinkage of at least 0"):
            WhiteningConfig(**options)
