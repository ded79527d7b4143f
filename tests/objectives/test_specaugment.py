"""SpecAugment: bounds of what is hidden, draws by item, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.objectives.specaugment import SpecAugmentConfig, spec_augment

BINS = 40
CONFIG = SpecAugmentConfig(probability=1.0, time_warp=0)


def features_of(*lengths):
    torch.manual_seed(1)
    features = torch.full((len(lengths), max(lengths), BINS), -9.0)
    for row, length in enumerate(lengths):
        features[row, :length] = torch.rand(length, BINS)
    return features, torch.tensor(lengths)


def names(count):
    return [f"item-{index}" for index in range(count)]


@given(st.integers(1, 900), st.integers(0, 10), st.integers(0, 120), st.sampled_from([0.0, 0.15, 0.5]), st.integers(0, 99))
def test_hidden_stretches_and_bands_stay_within_their_bounds(length, time_masks, time_size, share, epoch):
    config = replace(CONFIG, time_masks=time_masks, time_size=time_size, max_time_share=share)
    features, lengths = features_of(length)
    hidden = spec_augment(features, lengths, ["a"], 1, epoch, config)[0] == features[0].mean()
    frames, bins = hidden.all(dim=1), hidden.all(dim=0)
    assert torch.equal(hidden, frames[:, None] | bins)  # stretches and bands, nothing else
    if not bins.all():
        assert frames.sum() <= min(share * length, time_masks * time_size)
    if not frames.all():
        assert bins.sum() <= 2 * 27


def test_long_items_lose_time_and_bands_of_every_size():
    features, lengths = features_of(2000)
    sizes = [
        int((spec_augment(features, lengths, ["a"], 1, epoch, replace(CONFIG, band_masks=0))[0] == features.mean()).all(1).sum())
        for epoch in range(40)
    ]
    assert max(sizes) <= 300 and max(sizes) > 150 and len(set(sizes)) > 25


def test_an_item_is_changed_alike_in_any_batch_and_anew_every_epoch():
    config = replace(CONFIG, time_warp=20)
    features, lengths = features_of(300, 200, 250)
    together = spec_augment(features, lengths, names(3), 1, 4, config)
    alone = spec_augment(features[1:2, :200], lengths[1:2], names(3)[1:2], 1, 4, config)
    assert torch.equal(together[1, :200], alone[0])
    assert (together[1, 200:] == -9.0).all() and not torch.equal(together, features)
    for seed, epoch in ((1, 5), (2, 4)):
        assert not torch.equal(spec_augment(features, lengths, names(3), seed, epoch, config), together)


def test_probability_is_that_of_items():
    features, lengths = features_of(*[300] * 200)
    changed = (spec_augment(features, lengths, names(200), 3, 0, replace(CONFIG, probability=0.7)) != features).flatten(1).any(1)
    assert 0.6 < changed.float().mean() < 0.8


def test_warping_keeps_order_ends_and_a_ramp_a_ramp():
    ramp = torch.linspace(0, 1, 300)[None, :, None].expand(1, 300, BINS).contiguous()
    only_warp = SpecAugmentConfig(probability=1.0, band_masks=0, time_masks=0, time_warp=80)
    moved = []
    for epoch in range(20):
        warped = spec_augment(ramp, torch.tensor([300]), ["a"], 1, epoch, only_warp)[0, :, 0]
        assert (warped.diff() >= -1e-6).all() and warped[0] < 0.01 and warped[-1] > 0.99
        moved.append(float((warped - ramp[0, :, 0]).abs().max()))
    assert max(moved) > 0.1 and max(moved) < 80 / 299 + 0.02
    short = ramp[:, :160]
    assert torch.equal(spec_augment(short, torch.tensor([160]), ["a"], 1, 0, only_warp), short)  # no room for 80 to both sides


def test_wrong_options():
    with pytest.raises(ConfigError, match="counts >= 0"):
        SpecAugmentConfig(band_masks=-1)
    with pytest.raises(ConfigError, match=r"in \[0, 1\]"):
        SpecAugmentConfig(probability=1.5)
