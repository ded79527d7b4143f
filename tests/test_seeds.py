"""Seeds: the same on every machine, different for every key."""

from __future__ import annotations

import torch

from audiossl.seeds import derive_generator, derive_seed


def test_seeds_stay_as_they_are():
    # Masks, splits and shards of finished runs hang on these numbers.
    assert derive_seed(1, "mask") == 7244341505138217881
    assert derive_seed("é") == 1697006002183834981


def test_keys_are_told_apart():
    keys = [(), ("",), (0,), (1,), (0, 1), (1, 0), (11,), (1, 1), ("a", "b"), ("ab",), ("a b",), *((i, "x") for i in range(500))]
    seeds = [derive_seed(*key) for key in keys]
    assert len(set(seeds)) == len(set(keys)) - 1  # () and ("",) are the same
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generators():
    before = torch.get_rng_state()
    first, again, other = (torch.rand(4, generator=derive_generator(*key)) for key in ((1, "a"), (1, "a"), (1, "b")))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())  # the global generator is left alone
