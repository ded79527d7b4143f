"""Stretches of other recordings that play the role of a given one, found by frames of a frozen encoder (arXiv 2302.05615)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask
from audiossl.objectives.crops import Crops
from audiossl.seeds import derive_generator

BLOCK = 2**24  # similarities that are held at once


@dataclass
class MatchConfig:
    """How a stretch of another recording is found.

    Attributes:
        encoder: frozen encoder whose frames are compared, anything that `audiossl.load` knows. Empty takes hand-made frames:
            mean, deviation and deviation of differences around each moment (`audiossl.features.local_statistics`).
        metric: `cosine`, frame by frame at every offset; `dtw`, along the best path of dynamic time warping.
        threshold: similarity that a match must reach, at most 1; else the pair is the crop and itself.
        tries: windows of other recordings that are searched for each crop; the best place in them is taken.
        share: share of a window that a crop has.
        other: `recording` or `subject`: what the match must be another one of.

    Raises:
        ConfigError: for a number out of range.

    >>> MatchConfig(metric="dtw").threshold
    0.7
    """

    encoder: str = ""
    metric: Literal["cosine", "dtw"] = "cosine"
    threshold: float = 0.7
    tries: int = 100
    share: float = 0.75
    other: Literal["recording", "subject"] = "recording"

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1 or self.tries < 1 or not 0 < self.share <= 1:
            raise ConfigError(
                f"expected matches with a threshold of -1 to 1, at least one of tries, and a share above 0 and at most 1, got "
                f"{self.threshold}, {self.tries} and {self.share}"
            )


@dataclass
class DenseFrames:
    """Frames of windows by a frozen encoder, each dimension standardised over all of them, each frame of unit length.

    Attributes:
        frames: (N, T, D), zero beyond the number of each.
        counts: valid frames.
        hop: samples from one frame to the next.

    >>> dense = DenseFrames.of(torch.randn(4, 10, 3), torch.full((4,), 10), hop=5)
    >>> dense.frames.shape, bool((dense.frames.norm(dim=2) - 1).abs().max() < 1e-5)
    (torch.Size([4, 10, 3]), True)
    """

    frames: Float[Tensor, "N T D"]
    counts: Int[Tensor, "N"]
    hop: float

    @classmethod
    def of(cls, frames: Float[Tensor, "N T D"], counts: Int[Tensor, "N"], hop: int | float) -> DenseFrames:
        """Standardise frames: what they all have in common would make everything similar.

        >>> DenseFrames.of(torch.randn(3, 5, 4), torch.tensor([5, 5, 2]), 8).frames[2, 2:].any()
        tensor(False)
        """
        valid = ~padding_mask(counts, frames.shape[1])
        known = frames[valid].double()
        mean, deviation = known.mean(0), known.std(0, correction=0)
        out = torch.zeros_like(frames)
        scaled = torch.where(deviation > 0, (known - mean) / deviation.clamp(min=1e-30), 0.0)
        out[valid] = functional.normalize(scaled, dim=1).to(out)
        return cls(out, counts, float(hop))

    def spread(self, rows: Sequence[int], count: int) -> DenseFrames:
        """The same frames as those of some rows of more windows; the others have a frame of zeros, which is like nothing."""
        frames = self.frames.new_zeros(count, *self.frames.shape[1:])
        counts = torch.ones(count, dtype=self.counts.dtype)
        frames[list(rows)], counts[list(rows)] = self.frames, self.counts
        return DenseFrames(frames, counts, self.hop)


class Matcher:
    """Finds for crops of windows the most similar stretch of a few windows of other recordings.

    Args:
        dense: frames of all windows.
        owners: recording or subject of each window; a match is of another one.
        rows: numbers of the windows that may be matches.
        config: how.

    >>> dense = DenseFrames.of(torch.randn(4, 10, 3), torch.full((4,), 10), hop=5)
    >>> Matcher(dense, ["ann", "ann", "ben", "ben"], range(4), MatchConfig()).dense is dense
    True
    """

    def __init__(self, dense: DenseFrames, owners: Sequence[str], rows: Sequence[int], config: MatchConfig) -> None:
        self.dense, self.config = dense, config
        in_order = sorted(rows, key=lambda row: (owners[row], row))
        self._rows = torch.tensor(in_order)
        self._span: dict[str, tuple[int, int]] = {}  # of an owner's windows among these
        for place, row in enumerate(in_order):
            first, _ = self._span.get(owners[row], (place, place))
            self._span[owners[row]] = (first, place + 1)
        self._owners = owners

    def __call__(
        self,
        values: Float[Tensor, "N C L"],
        lengths: Int[Tensor, "N"],
        rows: Sequence[int],
        ids: Sequence[str],
        key: tuple[int, ...],
    ) -> tuple[Crops, Bool[Tensor, "B"]]:
        """Give a crop of each window with its match, and whether one was found; else the crop is its own match.

        Args:
            values: all windows, zero beyond each length.
            lengths: their samples.
            rows: windows of the batch.
            ids: their ids; draws are from (key, id).
            key: seed and epoch.
        """
        draws = [self._draw(row, derive_generator(*key, id_, "match")) for row, id_ in zip(rows, ids, strict=True)]
        starts, sizes, others = (torch.stack([draw[part] for draw in draws]) for part in range(3))
        best, place, score = self._search(torch.tensor(rows), starts, sizes, others)
        found = score >= self.config.threshold
        pieces = []
        for at, row in enumerate(rows):
            own = self._piece(values, lengths, row, int(starts[at]), int(sizes[at]))
            pieces += [own, self._piece(values, lengths, int(best[at]), int(place[at]), int(sizes[at])) if found[at] else own]
        return Crops.of(pieces), found

    def _draw(self, row: int, generator: torch.Generator) -> tuple[Int[Tensor, ""], Int[Tensor, ""], Int[Tensor, "K"]]:
        """First frame and number of frames of the crop, and windows of others; -1 where there are none."""
        count = int(self.dense.counts[row])
        size = max(1, round(self.config.share * count))
        start = torch.randint(count - size + 1, (), generator=generator)
        first, last = self._span.get(self._owners[row], (0, 0))
        remaining = len(self._rows) - (last - first)
        if not remaining:
            return start, torch.tensor(size), torch.full((self.config.tries,), -1)
        drawn = torch.randint(remaining, (self.config.tries,), generator=generator)
        return start, torch.tensor(size), self._rows[torch.where(drawn >= first, drawn + last - first, drawn)]

    def _search(
        self, rows: Int[Tensor, "B"], starts: Int[Tensor, "B"], sizes: Int[Tensor, "B"], others: Int[Tensor, "B K"]
    ) -> tuple[Int[Tensor, "B"], Int[Tensor, "B"], Float[Tensor, "B"]]:
        """The best window, the first frame of the match in it, and its similarity."""
        frames, counts = self.dense.frames, self.dense.counts
        longest = int(sizes.max())
        step = torch.arange(longest)
        queries = (
            frames[rows[:, None], (starts[:, None] + step).clamp(max=frames.shape[1] - 1)] * (step < sizes[:, None])[..., None]
        )
        at_once = max(1, BLOCK // (others.shape[1] * longest * frames.shape[1]))
        found = []
        for part in torch.arange(len(rows)).split(at_once):
            similarity = torch.einsum("bnd,bktd->bknt", queries[part], frames[others[part]])
            size, count = sizes[part, None].expand_as(others[part]), counts[others[part]]
            call = at_offsets if self.config.metric == "cosine" else warped
            score, first = call(similarity.flatten(0, 1), size.flatten(), count.flatten())
            score = score.unflatten(0, others[part].shape).masked_fill(others[part] < 0, -torch.inf)
            highest = score.max(dim=1)
            chosen = highest.indices[:, None]
            first = first.unflatten(0, others[part].shape).gather(1, chosen)[:, 0]
            found.append((others[part].gather(1, chosen)[:, 0], first, highest.values))
        best, first, score = (torch.cat(parts) for parts in zip(*found, strict=True))
        return best, first, score

    def _piece(
        self, values: Float[Tensor, "N C L"], lengths: Int[Tensor, "N"], row: int, first: int, size: int
    ) -> tuple[Float[Tensor, "C _"], float, float]:
        length, hop = int(lengths[row]), self.dense.hop
        samples = min(length, max(1, round(size * hop)))
        start = min(round(first * hop), length - samples)
        return values[row, :, start : start + samples], float(start), 1.0


def at_offsets(
    similarity: Float[Tensor, "P N T"], sizes: Int[Tensor, "P"], counts: Int[Tensor, "P"]
) -> tuple[Float[Tensor, "P"], Int[Tensor, "P"]]:
    """The offset at which N frames are most similar to as many of T, frame by frame.

    Args:
        similarity: of each frame with each.
        sizes, counts: valid frames of either; frames beyond are not read.

    Returns:
        the mean similarity, -inf where T frames are too few, and the offset.

    >>> score, offset = at_offsets(torch.eye(5)[None, 2:4], torch.tensor([2]), torch.tensor([5]))
    >>> score.item(), offset.item()
    (1.0, 2)
    """
    frame = torch.arange(similarity.shape[1])
    offset = torch.arange(similarity.shape[2])
    place = (frame[:, None] + offset).clamp(max=similarity.shape[2] - 1)
    along = similarity.gather(2, place.expand(len(similarity), -1, -1))
    mean = (along * (frame < sizes[:, None])[..., None]).sum(1) / sizes[:, None]
    best = mean.masked_fill(offset + sizes[:, None] > counts[:, None], -torch.inf).max(dim=1)
    return best.values, best.indices


def warped(
    similarity: Float[Tensor, "P N T"], sizes: Int[Tensor, "P"], counts: Int[Tensor, "P"]
) -> tuple[Float[Tensor, "P"], Int[Tensor, "P"]]:
    """The stretch that N frames are warped to at the least cost, by dynamic time warping that begins and ends anywhere in T.

    Args:
        similarity: of each frame with each, at most 1; a step of the path costs what is missing.
        sizes, counts: valid frames of either.

    Returns:
        1 minus the cost for each of the N frames, and where N frames in the middle of the stretch begin.

    >>> score, first = warped(torch.eye(6)[None, [1, 3, 4]], torch.tensor([3]), torch.tensor([6]))
    >>> round(score.item(), 3), first.item()
    (0.667, 2)
    """
    num, size, span = similarity.shape
    cost = (1 - similarity).clamp(min=0).masked_fill(torch.arange(span) >= counts[:, None, None], torch.inf)
    row, one = torch.arange(size), torch.arange(num)
    before = [(similarity.new_full((num, size), torch.inf), torch.zeros(num, size, dtype=torch.int64)) for _ in range(2)]
    best, first, last = similarity.new_full((num,), torch.inf), torch.zeros_like(sizes), torch.zeros_like(sizes)
    for diagonal in range(size + span - 1):  # cells whose row and column add up to it depend on the last two diagonals only
        column = diagonal - row
        inside = (column >= 0) & (column < span)
        costs = torch.stack([before[1][0], _down(before[1][0], torch.inf), _down(before[0][0], torch.inf)])
        begun = torch.stack([before[1][1], _down(before[1][1], 0), _down(before[0][1], 0)])
        least = costs.min(dim=0)
        reached, start = least.values, begun.gather(0, least.indices[None])[0]
        reached[:, 0], start[:, 0] = 0, diagonal  # a path may begin anywhere
        reached = reached + cost[:, row, column.clamp(0, span - 1)].masked_fill(~inside, torch.inf)
        before = [before[1], (reached, start)]
        end = reached[one, sizes - 1]
        better = end < best
        best = torch.where(better, end, best)
        first = torch.where(better, start[one, sizes - 1], first)
        last = torch.where(better, diagonal - (sizes - 1), last)
    middle = ((first + last + 1 - sizes) / 2).round().long()
    return 1 - best / sizes, torch.minimum(middle, counts - sizes).clamp(min=0)


def _down(x: Tensor, value: int | float) -> Tensor:
    """One row further down, with a value in the first."""
    return functional.pad(x[:, :-1], (1, 0), value=value)
