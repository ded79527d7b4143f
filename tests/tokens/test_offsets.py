"""A common shift of all frames changes no code and no error: of what is fitted, and of what was fitted elsewhere."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.tokens.factory import QUANTISERS, fit_quantiser
from audiossl.tokens.gram_table import GramTable
from audiossl.tokens.kmeans import KMeansQuantizer
from audiossl.tokens.lloyd import lloyd
from audiossl.tokens.offsets import common_offset
from audiossl.tokens.quantiser import MultiCodebookQuantizer
from audiossl.tokens.residual import ResidualQuantizer
from audiossl.tokens.search import search, steps_of

ON_GRID = st.integers(-400, 400).map(lambda number: 1024.0 * number)  # shifts by which grid values move without rounding


def grid_noise(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers rounded to sixteenths, so that adding up to 4e5 to them is exact."""
    return (16 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))).round() / 16


def error_of(quantiser, frames: torch.Tensor) -> float:
    exact = frames.double()
    rest = (quantiser.decode(quantiser.encode(frames)).double() - exact).square().sum()
    return float(rest / (exact - exact.mean(0)).square().sum())


@given(st.integers(1, 40), st.integers(1, 5), ON_GRID, st.integers(0, 99))
def test_the_offset_moves_with_the_vectors_and_is_taken_out_exactly(count, dim, shift, seed):
    vectors = grid_noise(count, dim, seed=seed)
    moved = vectors + shift
    if bool((vectors == vectors[0]).all()):
        assert not common_offset(moved).any()
        return
    assert torch.equal(moved - common_offset(moved), vectors - common_offset(vectors))
    assert torch.equal(common_offset(torch.stack([vectors, moved])), torch.stack([common_offset(vectors), common_offset(moved)]))


def test_vectors_around_zero_are_left_as_they_are():
    vectors = torch.randn(9000, 7) + torch.linspace(-2, 2, 7)
    assert not common_offset(vectors).any() and not common_offset(-vectors).signbit().any()
    far = vectors + 1000
    assert (common_offset(far) - 1000).abs().max() <= 8 and torch.equal(common_offset(far), common_offset(far.double()))


@pytest.mark.parametrize(("kind", "shift"), [("mvq", 2.0**18), ("rvq", -17 * 2.0**14), ("kmeans", 1024.0)])
def test_quantisers_of_shifted_frames_give_the_same_codes(kind, shift):
    frames = grid_noise(100, 5)
    options = {"normalise": False, **({"steps": 2} if kind != "kmeans" else {})}
    plain = fit_quantiser(frames, kind, 2, 8, **options)
    shifted = fit_quantiser(frames + shift, kind, 2, 8, **options)
    assert torch.equal(plain.encode(frames), shifted.encode(frames + shift))
    assert torch.equal(plain.scaled_centers(), shifted.scaled_centers())
    assert (shifted.decode(shifted.encode(frames + shift)) - shift - plain.decode(plain.encode(frames))).abs().max() < 0.1


@pytest.mark.filterwarnings("ignore:.*codebooks")
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("kind", QUANTISERS)
def test_errors_do_not_grow_with_the_offset(kind, normalise):
    frames = torch.randn(600, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2, 3, 1, 0.5, 1])
    options = {"normalise": normalise, **({"steps": 5} if kind in ("mvq", "rvq") else {})}
    expected = error_of(fit_quantiser(frames, kind, 2, 8, **options), frames)
    for offset in (-1e4, 1e6):
        assert error_of(fit_quantiser(frames + offset, kind, 2, 8, **options), frames + offset) < 1.1 * expected


@settings(max_examples=20, deadline=None)
@given(ON_GRID, st.sampled_from(["kmeans", "rvq"]))
def test_centres_far_from_zero_find_the_same_codes(shift, kind):
    """As of a quantiser that was fitted before offsets were taken out, or elsewhere."""
    frames, centers = grid_noise(200, 6), grid_noise(2, 16, 6, seed=1)
    kinds = {"kmeans": (KMeansQuantizer(6, 1, 16), centers[:1]), "rvq": (ResidualQuantizer(6, 2, 16), centers)}
    quantiser, own = kinds[kind]
    quantiser.centers.copy_(own)
    plain = quantiser.encode(frames)
    quantiser.centers[0] += shift
    assert torch.equal(quantiser.encode(frames + shift), plain)


def test_a_finite_scalar_quantiser_of_old_far_from_zero():
    frames = torch.randn(3000, 6, generator=torch.Generator().manual_seed(2)) @ torch.diag(torch.tensor([3.0, 2, 1, 1, 1, 1]))
    quantiser = fit_quantiser(frames, "fsq", 2, 16, normalise=False)
    plain = quantiser.encode(frames)
    shift = torch.full((6,), 2.0**17)
    quantiser.offset -= (quantiser.axes.double() @ shift.double()).float()
    quantiser.centers += shift / 2
    assert (quantiser.encode(frames + shift) == plain).float().mean() > 0.97  # float32 keeps sixty-fourths of such frames


@settings(max_examples=6, deadline=None)
@given(ON_GRID, ON_GRID, st.sampled_from(["fast", "default"]))
def test_the_search_over_pairs_of_centres_knows_no_offset(one, other, quality):
    frames, centers = grid_noise(40, 6), grid_noise(3, 8, 6, seed=3)
    plain = search(GramTable.build(centers), frames, steps_of(quality, 3))
    shift = torch.tensor([one, other, 0.0])[:, None, None]
    moved = search(GramTable.build(centers + shift), frames + (one + other), steps_of(quality, 3))
    assert torch.equal(plain, moved)


def test_a_published_quantiser_keeps_its_very_codes():
    """Of centres that are not far from zero nothing is taken out, and nothing of what `exact` computes."""
    generator = torch.Generator().manual_seed(4)
    published = MultiCodebookQuantizer(8, 4, 16, seed=3)
    state = published.to_multi_quantization()
    state["centers"] = 3e4 + torch.randn(4, 16, 8, generator=generator)
    frames = 12e4 + torch.randn(64, 8, generator=generator)
    far = MultiCodebookQuantizer.from_multi_quantization(state)
    assert not far.mean.any() and torch.equal(far.scaled_centers(), state["centers"])
    assert error_of(far, frames) < 0.9
    near = MultiCodebookQuantizer.from_multi_quantization({**state, "centers": torch.randn(4, 16, 8, generator=generator)})
    assert not near.gram_table().offset.any()


def test_clusters_move_with_the_frames():
    frames = grid_noise(300, 4)
    plain = lloyd(frames, 8, torch.Generator().manual_seed(0))
    assert torch.equal(lloyd(frames + 2.0**18, 8, torch.Generator().manual_seed(0)), plain + 2.0**18)
