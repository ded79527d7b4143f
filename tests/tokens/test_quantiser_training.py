"""Training: what can be recovered is recovered, nothing beats Shannon, bad frames are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.errors import ConfigError, DataError
from audiossl.tokens import MultiCodebookQuantizer, diagnose
from audiossl.tokens.quantiser_training import RIDGE, CooccurrenceSums, deal_out


def fit(frames, num_codebooks, codebook_size, **options):
    return MultiCodebookQuantizer.fit(frames, num_codebooks, codebook_size, progress=False, **options)


def test_sums_of_hidden_centres_are_recovered():
    hidden = torch.randn(3, 8, 10) * torch.tensor([3.0, 1.5, 0.7])[:, None, None]
    codes = torch.randint(8, (4000, 3))
    frames = sum(hidden[n, codes[:, n]] for n in range(3))
    three, two = (diagnose(fit(frames, n, 8), frames[:500], "best").relative_error for n in (3, 2))
    assert three < 0.09 and two > 1.15 * three  # 9 bits on 10 Gaussian channels of these variances would leave more than 0.25


def test_least_squares_step_equals_a_dense_solution():
    codes = torch.stack([torch.randint(4, (300,)), 4 + torch.randint(4, (300,))], 1)
    frames = torch.randn(300, 5)
    sums = CooccurrenceSums.empty(2, 4, 5)
    sums.add(frames[:100], codes[:100], decay=0.0)
    sums.add(frames[100:], codes[100:], decay=1.0)
    solved = sums.solve(torch.zeros(2, 4, 5), torch.Generator().manual_seed(0)).flatten(0, 1)
    chosen = torch.zeros(300, 8).scatter_(1, codes, 1.0)
    ridge = RIDGE * chosen.sum(0).mean()
    expected = torch.linalg.solve((chosen.T @ chosen + ridge * torch.eye(8)).double(), (chosen.T @ frames).double())
    torch.testing.assert_close(solved, expected.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("num_codebooks", "codebook_size"), [(1, 16), (2, 16), (4, 16)])
def test_white_gaussian_error_respects_the_shannon_bound(num_codebooks, codebook_size):
    dim, bits = 8, 4 * num_codebooks
    frames = torch.randn(20000, dim)
    error = diagnose(fit(frames[:16000], num_codebooks, codebook_size), frames[16000:]).relative_error
    # The best scalar quantisers (Max 1960) leave 0.3634 at 1 bit and 0.1175 at 2; at half a bit, every second channel gets none.
    scalar = {0.5: 0.5 + 0.3634 / 2, 1.0: 0.3634, 2.0: 0.1175}[bits / dim]
    assert 2 ** (-2 * bits / dim) < error < scalar


def test_more_codebooks_and_a_fit_beat_less_of_either():
    frames = torch.randn(6000, 12) @ torch.randn(12, 12)
    errors = [diagnose(fit(frames[:5000], n, 16, steps=5), frames[5000:]).relative_error for n in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    untrained = diagnose(MultiCodebookQuantizer(12, 8, 16), frames[5000:]).relative_error
    assert errors[-1] < 0.2 * untrained


def test_the_same_seed_gives_the_same_quantiser():
    frames = torch.randn(1000, 6)
    first, again, other = (fit(frames, 2, 8, steps=3, seed=seed) for seed in (1, 1, 2))
    assert first.id == again.id != other.id


@pytest.mark.parametrize(("dim", "num_codebooks"), [(4, 20), (1, 3), (5, 5), (40, 1)])
def test_every_ratio_of_width_to_codebooks(dim, num_codebooks):
    frames = torch.randn(600, dim) * torch.logspace(0, -3, dim)
    assert diagnose(fit(frames, num_codebooks, 8, steps=2), frames).relative_error < (1.0 if num_codebooks == 1 else 0.5)


def test_constant_channels_do_no_harm():
    frames = torch.randn(1000, 6)
    frames[:, 2] = -15.94
    quantiser = fit(frames, 2, 8)
    assert quantiser.std[2] == 1
    decoded = quantiser.decode(quantiser.encode(frames))
    assert torch.isfinite(decoded).all()
    torch.testing.assert_close(decoded[:, 2], frames[:, 2], rtol=1e-3, atol=1e-3)


def test_normalisation_is_undone_by_decode():
    scale = torch.tensor([1e-3, 1.0, 50.0, 1e4])
    frames = (torch.randn(3000, 4) + 3) * scale
    quantiser = fit(frames, 4, 16)
    error = (quantiser.decode(quantiser.encode(frames)) - frames).square().mean(0) / frames.var(0)
    assert (error < 0.15).all()
    assert torch.equal(fit(frames, 1, 8, normalise=False, steps=1).std, torch.ones(4))


def test_repeated_frames_leave_no_nan():
    frames = torch.randn(5, 6).repeat_interleave(100, 0)
    quantiser = fit(frames, 4, 16)
    assert all(torch.isfinite(value).all() for value in quantiser.state_dict().values())
    assert diagnose(quantiser, frames).relative_error < 0.05


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (torch.randn(20, 4), "too few"),
        (torch.full((500, 4), 3.0), "same vector"),
        (torch.tensor([[1.0, torch.nan]] * 500), "NaN"),
        (torch.zeros(500, 4, dtype=torch.int64), "floating point"),
        (torch.zeros(5, 500, 4), "shape"),
    ],
)
def test_frames_that_cannot_be_fitted_are_named(frames, message):
    with pytest.raises(DataError, match=message):
        fit(frames, 2, 16)


def test_steps_must_be_positive():
    with pytest.raises(ConfigError, match="at least one"):
        fit(torch.randn(100, 4), 2, 8, steps=0)


def test_numpy_frames_are_taken():
    frames = np.random.default_rng(0).normal(size=(400, 5)).astype("float16")
    assert fit(frames, 2, 8, steps=2).encode(frames).shape == (400, 2)


def test_axes_are_dealt_out_evenly():
    groups = deal_out(torch.tensor([16.0, 8, 4, 2, 1, 0.5, 0, 0]), 3)
    assert sorted(axis for group in groups for axis in group) == list(range(8))
    assert max(map(len, groups)) == 3 and {group[0] for group in groups} == {0, 1, 2}
    assert all(deal_out(torch.tensor([1.0, 1e-9, 0.0]), 3))


def test_a_stream_of_blocks_equals_its_frames():
    frames = torch.randn(1200, 6)
    assert fit(iter(frames.split(100)), 2, 8, steps=3).id == fit(frames, 2, 8, steps=3).id


def test_longer_training_lowers_the_error_of_frames_never_seen():
    frames = torch.randn(20000, 12) @ torch.randn(12, 12)
    errors = [diagnose(fit(frames[:16000], 4, 16, steps=steps), frames[16000:]).relative_error for steps in (1, 40)]
    assert errors[1] < 0.95 * errors[0]


def test_dead_codebooks_are_announced():
    frames = torch.zeros(4000, 8)
    frames[::1000] = torch.randn(4, 8)  # all else is silence
    with pytest.warns(UserWarning, match="nearly always one code"):
        fit(frames, 4, 4, normalise=False)
