"""The sample of a stream: what fits is kept whole, every frame has the same chance, bad blocks are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from audiossl.errors import DataError
from audiossl.tokens.frame_sample import gather_frames


def test_what_fits_is_kept_in_order():
    frames = torch.randn(50, 3)
    assert torch.equal(gather_frames(iter(frames.split(7))), frames)
    assert gather_frames(frames) is frames
    assert torch.equal(gather_frames([frames[:20].numpy(), frames[20:].half()])[:20], frames[:20])


@pytest.mark.parametrize("block", [1, 9, 64])
def test_every_frame_has_the_same_chance(block):
    frames = torch.arange(64.0)[:, None]
    counts = np.zeros(64)
    for seed in range(300):
        sample = gather_frames(iter(frames.split(block)), seed, sample_bytes=16 * 4)
        assert len(sample) == len(sample.unique()) == 16
        counts[sample[:, 0].long().numpy()] += 1
    assert np.abs(counts / 300 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 300)


def test_the_sample_does_not_depend_on_the_blocks():
    frames = torch.randn(500, 4)
    samples = [gather_frames(iter(frames.split(size)), 3, sample_bytes=100 * 16) for size in (1, 33, 500)]
    assert torch.equal(samples[0], samples[1]) and torch.equal(samples[0], samples[2])


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "empty"),
        ([torch.randn(4, 3), torch.randn(4, 2)], "block 1"),
        ([torch.randn(4, 3), torch.full((2, 3), torch.nan)], "block 1.*NaN"),
        ([torch.zeros(4, 3, dtype=torch.int64)], "block 0"),
    ],
)
def test_bad_blocks_are_named(blocks, message):
    with pytest.raises(DataError, match=message):
        gather_frames(iter(blocks))
