import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from window_examples import windows

from audiossl.errors import ConfigError
from audiossl.objectives.augmentations import CHANGES, SETS, AugmentationConfig, augment

KEY = (3, 1, 0)


def changed(batch, key=KEY, chain=None, **options):
    return augment(batch.signal, batch.lengths, batch.ids, key, AugmentationConfig(**options), chain)


def one(kind, x, seed=0, **options):
    return CHANGES[kind](x, torch.Generator().manual_seed(seed), AugmentationConfig(**options))


def samples(x):
    """Samples, each with all its channels, in an order that does not depend on time."""
    return sorted(map(tuple, x.T.tolist()))


@pytest.mark.parametrize("kinds", SETS)
@settings(deadline=None, max_examples=20)
@given(lengths=st.lists(st.integers(1, 40), min_size=2, max_size=5), seed=st.integers(0, 9))
def test_a_window_is_changed_alike_in_every_batch_and_padding_stays_zero(kinds, lengths, seed):
    batch = windows(len(lengths), 40, seed, lengths)
    together = changed(batch, kinds=kinds, per_view=3)
    for row, (size, id_) in enumerate(zip(lengths, batch.ids, strict=True)):
        assert not together[row, :, size:].any()
        alone = augment(
            batch.signal[row : row + 1, :, :size], batch.lengths[row : row + 1], [id_], KEY, AugmentationConfig(kinds, 3)
        )
        assert torch.equal(together[row, :, :size], alone[0])


@pytest.mark.parametrize("key", [(3, 1, 1), (3, 2, 0), (4, 1, 0)])
def test_another_view_epoch_or_seed_gives_another_change(key):
    batch = windows(8)
    assert not torch.equal(changed(batch), changed(batch, key))
    assert torch.equal(changed(batch), changed(batch))


def test_the_signal_itself_is_left_as_it_is():
    batch = windows(8)
    before = batch.signal.clone()
    for kind in CHANGES:
        changed(batch, chain=[kind])
    assert torch.equal(batch.signal, before)


def test_a_chain_applies_all_changes_in_order():
    batch = windows(4)
    assert torch.equal(changed(batch, chain=["negate", "negate"]), batch.signal)
    assert torch.equal(changed(batch, chain=[]), batch.signal)
    assert torch.equal(changed(batch, chain=["noise", "negate"], noise=0.0), -batch.signal)


def test_all_kinds_of_a_set_are_drawn_and_no_others():
    batch = windows(200)
    plain = changed(batch, kinds="ecg_eeg", noise=0.0, scale_mean=5.0, scale_deviation=0.0, max_stretch=0.0)
    ratio = (plain / batch.signal).flatten(1)
    same = {value: int((ratio - value).abs().amax(1).lt(1e-3).sum()) for value in (1.0, 5.0, -1.0)}  # 1: noise, resample
    assert all(count > 25 for count in same.values()) and same[1.0] > 55
    assert 25 < 200 - sum(same.values()) < 60  # shift


@settings(deadline=None, max_examples=25)
@given(length=st.integers(1, 50), seed=st.integers(0, 99), kind=st.sampled_from(["shift", "permute"]))
def test_shift_and_permute_keep_every_sample(length, seed, kind):
    x = torch.randn(3, length, generator=torch.Generator().manual_seed(seed))
    assert samples(one(kind, x, seed)) == samples(x)


@pytest.mark.parametrize("segments", [2, 5])
def test_permute_makes_two_to_five_pieces(segments):
    counts = set()
    for seed in range(200):
        x = one("permute", torch.arange(40.0)[None], seed, max_segments=segments)[0]
        counts.add(1 + int((x.diff() != 1).sum()))
    assert max(counts) == segments and min(counts) == 1  # pieces may come to lie as they were


def test_shift_turns_round():
    shifts = set()
    for seed in range(100):
        x = one("shift", torch.arange(10.0)[None], seed)[0]
        shifts.add(int(x[0]))
        assert x.roll(int(x[0])).tolist() == list(range(10))
    assert shifts == set(range(10))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99))
def test_rotation_keeps_norms_and_angles_of_triples(seed):
    x = torch.randn(7, 20, generator=torch.Generator().manual_seed(seed))
    turned = one("rotate", x, seed)
    assert torch.equal(turned[6], x[6])
    for first in (0, 3):
        before, after = x[first : first + 3], turned[first : first + 3]
        torch.testing.assert_close(after.T @ after, before.T @ before, rtol=1e-4, atol=1e-5)
    # One rotation for both triples, and not a reflection.
    matrix = turned[:3] @ torch.linalg.pinv(x[:3])
    torch.testing.assert_close(matrix @ x[3:6], turned[3:6], rtol=1e-3, atol=1e-4)
    assert float(torch.linalg.det(matrix)) == pytest.approx(1, abs=1e-4)


def test_rotations_are_uniform():
    """The mean of uniform rotations is zero, and so every axis goes everywhere."""
    axis = torch.tensor([[0.0], [0.0], [1.0]])
    ends = torch.stack([one("rotate", axis, seed, axes=[0])[:, 0] for seed in range(2000)])
    assert float(ends.mean(0).abs().max()) < 0.05
    torch.testing.assert_close(ends.T @ ends / 2000, torch.eye(3) / 3, rtol=0, atol=0.03)


def test_rotation_of_channels_that_are_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"axes=\[0, 3\] asks for triples beyond the 3 channels"):
        one("rotate", torch.randn(3, 5))


def test_noise_and_scale_have_their_deviations():
    x = torch.ones(2, 20_000)
    noise = one("noise", x, noise=0.4) - x
    assert float(noise.std()) == pytest.approx(0.4, rel=0.03) and not torch.equal(noise[0], noise[1])
    factor = one("scale", x)
    assert torch.equal(factor[0], factor[1])
    assert (float(factor.mean()), float(factor.std())) == pytest.approx((2.0, 1.1), rel=0.03)


@pytest.mark.parametrize("seed", range(6))
def test_resample_stretches_a_line_and_keeps_its_start(seed):
    x = one("resample", torch.arange(100.0)[None], seed)[0]
    slope = float(x[1] - x[0])
    assert x[0] == 0 and 1 / 1.31 < slope < 1 / 0.69
    expected = torch.arange(100) * slope
    end = min(100, round(99 / slope) + 1)
    torch.testing.assert_close(x[:end], expected[:end], rtol=1e-4, atol=1e-3)
    if end < 100:
        torch.testing.assert_close(x[end:], expected[: 100 - end], rtol=1e-4, atol=1e-3)


def test_negate_turns_the_sign():
    assert one("negate", torch.tensor([[1.0, -2.0]])).tolist() == [[-1.0, 2.0]]


@pytest.mark.parametrize(
    ("options", "message"), [({"kinds": "audio"}, "no set of augmentations 'audio'"), ({"per_view": 6}, "per_view asks for 6")]
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        AugmentationConfig(**options)
