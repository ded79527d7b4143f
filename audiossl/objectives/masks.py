"""Span masks on features, drawn per item, whatever its batch or rank (wav2vec 2.0, arXiv 2006.11477, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.lengths import on_host
from audiossl.seeds import derive_generator


def span_mask(size: int, p: float, length: int, min_spans: int, generator: torch.Generator) -> Bool[Tensor, {size}]:
    """Mark spans of `length` positions at distinct random starts; spans may overlap.

    The number of spans is `p * size / length`, rounded up or down at random so that it is right on average, at least `min_spans`
    and at most what fits side by side. Overlap makes the marked share smaller than `p`: about 0.40 for p = 0.5, 0.49 for 0.65.
    """
    mask = torch.zeros(size, dtype=torch.bool)
    draw = float(torch.rand((), generator=generator))
    num_spans = min(max(int(p * size / length + draw), min_spans), size // length)
    if p <= 0 or num_spans < 1:
        return mask
    num_starts = size - length if size - length > num_spans else num_spans + 1  # very short: spans may run over the end
    starts = torch.randperm(num_starts, generator=generator)[:num_spans]
    marked = (starts[:, None] + torch.arange(length)).flatten()
    mask[marked[marked < size]] = True
    return mask


@dataclass(frozen=True)
class Spans:
    """How spans are drawn along one axis: `probability` (0 switches them off), `length` in positions, least number.

    Raises:
        ConfigError: if the probability is outside [0, 1] or the length below 1.
    """

    probability: float
    length: int
    min_spans: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1 or self.length < 1 or self.min_spans < 0:
            raise ConfigError(f"a span mask needs 0 <= probability <= 1, length >= 1 and min_spans >= 0, got {self}.")

    def draw(self, size: int, generator: torch.Generator) -> Bool[Tensor, {size}]:
        """Draw one mask over `size` positions."""
        return span_mask(size, self.probability, self.length, self.min_spans, generator)


def draw_masks(
    lengths: Int[Tensor, "B"], size: int, num_bins: int, ids: Sequence[str], seed: int, epoch: int, time: Spans, channel: Spans
) -> tuple[Bool[Tensor, "B {size}"], Bool[Tensor, "B {num_bins}"]]:
    """Draw the time mask (valid frames only) and the channel mask of every item of a batch, from (seed, epoch, item id).

    Args:
        lengths: valid feature frames of each item.
        size: frames of the padded batch.
        num_bins: channels of a feature frame.
        ids: an id per item; the same id in the same epoch is masked alike.
    """
    time_mask = torch.zeros(len(ids), size, dtype=torch.bool)
    channel_mask = torch.zeros(len(ids), num_bins, dtype=torch.bool)
    for row, (item, length) in enumerate(zip(ids, on_host(lengths), strict=True)):
        generator = derive_generator(seed, epoch, item, "mask")
        channel_mask[row] = channel.draw(num_bins, generator)
        time_mask[row, :length] = time.draw(length, generator)
    return time_mask.to(lengths.device, non_blocking=True), channel_mask.to(lengths.device, non_blocking=True)


def pool_mask(mask: Bool[Tensor, "B F"], ratio: int, first: int, num_frames: int) -> Bool[Tensor, "B {num_frames}"]:
    """Carry a mask on features to encoder frames: a frame is masked where at least half of its features are.

    Frame k covers features `first + k * ratio` to `first + (k + 1) * ratio - 1`; features beyond the end count as not masked.
    """
    covered = mask[:, first : first + num_frames * ratio]
    covered = torch.nn.functional.pad(covered, (0, num_frames * ratio - covered.shape[1]))
    return covered.view(len(mask), num_frames, ratio).float().mean(dim=-1) >= 0.5
