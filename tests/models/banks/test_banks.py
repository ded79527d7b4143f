"""Banks of features: what they give, that padding and batches do not matter, and files."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from audiossl.errors import ConfigError, DataError
from audiossl.models.banks import BANKS, KernelBank, MiniRocketBank, WhitenedBank, make_bank, whiten_bank
from audiossl.models.banks.bank import load_buffers
from audiossl.models.banks.kernels import spread_dilations

SMALL = {"kernels": {"num_features": 336}, "minirocket": {"num_features": 336}, "gabor": {"view": {"num_scales": 8}}}
SLOW = {"minirocket"}  # aeon compiles it for many seconds
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in BANKS]


def windows(count=12, length=40, seed=0):
    return torch.randn(count, 3, length, generator=torch.Generator().manual_seed(seed)).cumsum(2)


def fitted(name, seed=1):
    bank = make_bank(name, SMALL.get(name))
    signal = windows()
    bank.fit(signal, torch.full((len(signal),), signal.shape[2]), seed)
    return bank


@pytest.mark.parametrize("name", NAMES)
def test_a_bank_is_repeated_by_its_seed_and_leaves_the_draws_of_others_alone(name):
    signal, lengths = windows(5, seed=3), torch.full((5,), 40)
    before = torch.get_rng_state()
    features = fitted(name)(signal, lengths)
    assert features.dtype == torch.float32 and features.ndim == 2 and bool(features.isfinite().all())
    assert torch.equal(fitted(name)(signal, lengths), features)
    assert torch.equal(fitted(name, seed=2)(signal, lengths), features) == (name == "statistics")
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(fitted(name)(signal[2:3], lengths[2:3]), features[2:3])


@pytest.mark.parametrize("name", [name for name in BANKS if name not in SLOW])
def test_padding_changes_nothing(name):
    bank, short = fitted(name), windows(4, 29, seed=4)
    alone = bank(short, torch.full((4,), 29))
    padded = torch.cat([short, torch.zeros(4, 3, 11)], dim=2)
    mixed = bank(torch.cat([padded, windows(2, 40, seed=5)]), torch.tensor([29] * 4 + [40] * 2))
    torch.testing.assert_close(mixed[:4], alone, rtol=1e-4, atol=1e-4)


def test_kernels_are_those_of_the_definition():
    """Kernel by kernel, tap by tap, bias by bias."""
    bank, signal = fitted("kernels"), windows(3, 40, seed=6)
    found = bank(signal, torch.full((3,), 40))
    taps, place = list(combinations(range(9), 3)), 0
    for index, (dilation, count) in enumerate(zip(bank.dilations.tolist(), bank.counts.tolist(), strict=True)):
        reach = 4 * dilation
        for kernel in range(84):
            channels = bank.channels[index * 84 + kernel].bool()
            given = torch.nn.functional.pad(signal[:, channels].sum(1).double(), (reach, reach))
            weights = [2.0 if tap in taps[kernel] else -1.0 for tap in range(9)]
            given = sum(weight * given[:, tap * dilation : tap * dilation + 40] for tap, weight in enumerate(weights))
            counted = given[:, reach : 40 - reach] if (kernel + index) % 2 else given
            for bias in bank.biases[place : place + count].double():
                torch.testing.assert_close(found[:, place].double(), (counted > bias).double().mean(1), rtol=0, atol=1e-6)
                place += 1
    assert place == found.shape[1] == 336


@pytest.mark.slow  # aeon compiles
def test_kernels_are_those_of_aeon_where_the_draws_are():
    signal, lengths = windows(20, 50, seed=7), torch.full((20,), 50)
    theirs = MiniRocketBank(MiniRocketBank.Options(num_features=840))
    theirs.fit(signal, lengths, 1)
    mine = KernelBank(KernelBank.Options(num_features=840))
    mine.fit(signal, lengths, 1)
    mine.dilations, mine.counts, mine.biases = theirs.dilations.long(), theirs.features_per_dilation.long(), theirs.biases
    numbers = theirs.channels_per_combination.tolist()
    mine.channels = torch.zeros(len(numbers), 3)
    for row, chosen in enumerate(theirs.channel_indices.split(numbers)):
        mine.channels[row, chosen.long()] = 1.0
    difference = (mine(signal, lengths) - theirs(signal, lengths)).abs()
    assert difference.max() < 3 / 50 and (difference > 1e-6).float().mean() < 0.01  # rounding next to a bias


@pytest.mark.slow
@pytest.mark.parametrize("length", [32, 128, 200])
def test_dilations_are_those_of_aeon(length):
    from aeon.transformations.collection.convolution_based import _minirocket

    dilations, counts = _minirocket._fit_dilations(length, 10_000, 32)
    assert spread_dilations(length, 10_000, 32) == (dilations.tolist(), counts.tolist())


@pytest.mark.parametrize("name", NAMES)
def test_whitened_banks_are_saved_and_loaded(name, tmp_path):
    signal, lengths = windows(), torch.full((12,), 40)
    whitened = whiten_bank(make_bank(name, SMALL.get(name)), signal, lengths, torch.arange(12) % 6 > 0)
    save_file({key: value.contiguous() for key, value in whitened.state_dict().items()}, tmp_path / "bank.safetensors")
    bank = make_bank(name, SMALL.get(name))
    bank.build(3)
    loaded = WhitenedBank(bank)
    load_buffers(loaded, load_file(tmp_path / "bank.safetensors"))
    assert torch.equal(loaded(signal, lengths), whitened(signal, lengths))


@pytest.mark.parametrize("block", [5, 100])
def test_windows_may_be_represented_in_blocks_of_any_size(block):
    signal, lengths, follows = windows(), torch.full((12,), 40), torch.arange(12) % 6 > 0
    one = whiten_bank(make_bank("statistics"), signal, lengths, follows)(signal, lengths)
    other = whiten_bank(make_bank("statistics"), signal, lengths, follows, block=block)(signal, lengths)
    torch.testing.assert_close(one @ one.T, other @ other.T, rtol=1e-3, atol=0.5)


def test_mistakes_are_named():
    with pytest.raises(ConfigError, match=r"no bank of features 'kernel' \(did you mean kernels\?\)"):
        make_bank("kernel")
    with pytest.raises(ConfigError, match=r"options\.num_feature: .*did you mean num_features"):
        make_bank("kernels", {"num_feature": 84})
    with pytest.raises(ConfigError, match="whole numbers of at least 1, got 0 and 32"):
        make_bank("kernels", {"num_features": 0})
    with pytest.raises(DataError, match="at least 9 samples, as long as a kernel, got 8"):
        make_bank("kernels").fit(windows(2, 8), torch.tensor([8, 8]), 1)
    signal = windows()
    signal[7, 1, 3] = np.nan
    with pytest.raises(DataError, match="NaN or infinity in 1 windows of a block, the first in row 7"):
        whiten_bank(make_bank("kernels"), signal, torch.full((12,), 40), torch.arange(12) > 0)
