"""SpecAugment: features warped in time, with stretches of time and bands hidden (arXiv 1904.08779, section 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator


@dataclass(frozen=True)
class SpecAugmentConfig:
    """What is hidden; defaults are those that SPEAR is fine-tuned with (arXiv 2510.25955), for features at 100 Hz.

    Attributes:
        probability: probability that an item is changed at all, 0 for never.
        band_masks, band_size: number of hidden bands, each of 0 to `band_size` bins.
        time_masks, time_size: largest number of hidden stretches, each of 0 to `time_size` frames.
        max_time_share: all stretches together are at most this share of an item; short items get fewer and shorter ones.
        time_warp: a point of the item moves by at most so many frames, what lies on either side is stretched to fit; 0 for none.
            Transcripts and tags do not mind, labels at instants would.

    >>> SpecAugmentConfig(probability=0.5, time_warp=0).band_masks
    2
    """

    probability: float = 0.9
    band_masks: int = 2
    band_size: int = 27
    time_masks: int = 10
    time_size: int = 100
    max_time_share: float = 0.15
    time_warp: int = 80

    def __post_init__(self) -> None:
        counts = (self.band_masks, self.band_size, self.time_masks, self.time_size, self.time_warp)
        if min(counts) < 0 or not 0 <= self.probability <= 1 or not 0 <= self.max_time_share <= 1:
            raise ConfigError(f"SpecAugment needs counts >= 0, and a probability and a share in [0, 1], got {self}.")


def spec_augment(
    features: Float[Tensor, "B F M"],
    lengths: Int[Tensor, "B"],
    ids: Sequence[str],
    seed: int,
    epoch: int,
    config: SpecAugmentConfig,
) -> Float[Tensor, "B F M"]:
    """Change the valid frames of every item by draws from (seed, epoch, item id); what is hidden takes the item's mean.

    Args:
        features: padded features; the padding stays as it is.
        lengths: valid frames, which stay as many.
        ids: ids of the items; the same id in the same epoch is changed alike, whatever its batch.
        seed, epoch: the rest of the key.
        config: sizes and numbers of the masks.

    >>> config = SpecAugmentConfig(probability=1.0, time_warp=0, time_masks=0)
    >>> spec_augment(torch.randn(1, 50, 80), torch.tensor([50]), ["a"], seed=0, epoch=0, config=config).shape
    torch.Size([1, 50, 80])
    """
    changed = features.clone()
    for row, (item, length) in enumerate(zip(ids, lengths.tolist(), strict=True)):
        generator = derive_generator(seed, epoch, item, "specaugment")
        changed[row, :length] = augment_item(changed[row, :length], config, generator)
    return changed


def augment_item(
    frames: Float[Tensor, "F M"], config: SpecAugmentConfig, generator: torch.Generator | None = None
) -> Float[Tensor, "F M"]:
    """Change the frames of one item by draws from a generator, by default torch's global one."""
    if float(torch.rand((), generator=generator)) >= config.probability:
        return frames
    return _hide(_warp(frames, config.time_warp, generator), config, generator)


def _warp(frames: Float[Tensor, "F M"], reach: int, generator: torch.Generator | None) -> Float[Tensor, "F M"]:
    """Move a point at least `reach` frames from both ends by at most `reach`, and interpolate linearly on both sides of it."""
    size = len(frames)
    if reach < 1 or size < 2 * reach + 2:
        return frames
    centre = _integer(reach + 1, size - reach - 1, generator)
    moved = centre + _integer(-reach, reach, generator)
    sides = [(frames[:centre], moved), (frames[centre:], size - moved)]
    return torch.cat([F.interpolate(side.T[None], size=wanted, mode="linear")[0].T for side, wanted in sides])


def _hide(frames: Float[Tensor, "F M"], config: SpecAugmentConfig, generator: torch.Generator | None) -> Float[Tensor, "F M"]:
    size, num_bins = frames.shape
    hidden = torch.zeros(size, num_bins, dtype=torch.bool)
    for _ in range(config.band_masks):
        first, last = _span(num_bins, config.band_size, generator)
        hidden[:, first:last] = True
    budget = config.max_time_share * size
    num_masks = min(config.time_masks, math.ceil(budget / max(config.time_size, 1)))
    for _ in range(num_masks):
        first, last = _span(size, min(config.time_size, int(budget / num_masks)), generator)
        hidden[first:last] = True
    return torch.where(hidden.to(frames.device), frames.mean(), frames)


def _span(size: int, longest: int, generator: torch.Generator | None) -> tuple[int, int]:
    """A random stretch of 0 to `longest` of `size` positions."""
    length = _integer(0, min(longest, size), generator)
    first = _integer(0, size - length, generator)
    return first, first + length


def _integer(low: int, high: int, generator: torch.Generator | None) -> int:
    """Uniform on low, ..., high."""
    return int(torch.randint(low, high + 1, (), generator=generator))
