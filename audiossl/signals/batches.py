"""Plan batches by duration as a pure function of (durations, seed, epoch): to resume is to start at a later step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from audiossl.errors import ConfigError, DataError
from audiossl.seeds import derive_generator
from audiossl.signals.loading import Batch, BatchLoader, collate

__all__ = ["Batch", "BatchLoader", "BatchPlan", "collate", "plan_batches"]

_Step = list[list[int]]  # a batch of item indexes for each rank


@dataclass(frozen=True)
class BatchPlan:
    """The batches of an epoch: `steps[step][rank]` lists item indexes and is never empty.

    `left_out` lists the items that sit this epoch out because they could not give every rank a batch: fewer than
    `world_size` of them, none where that is 1, and others in other epochs.
    """

    steps: list[list[list[int]]]
    left_out: list[int]

    def of_rank(self, rank: int, num_ranks: int | None = None) -> list[list[int]]:
        """The batches of one rank, one a step; or where `num_ranks` share a step, its batches `rank`, `rank + num_ranks`, ..."""
        return [batch for step in self.steps for batch in step[rank :: num_ranks or len(step)]]


def plan_batches(
    durations: Sequence[float] | np.ndarray,
    max_seconds: float,
    *,
    seed: int,
    epoch: int,
    num_buckets: int = 20,
    max_items: int = 150,
    world_size: int = 1,
    crop: bool = False,
    ids: Sequence[str] | None = None,
) -> BatchPlan:
    """Group items of similar duration into batches that hold, padding included, at most `max_seconds`.

    Items are sorted into buckets of equal total duration, shuffled within them and packed for all ranks together; at each
    step all ranks get batches of one bucket. What does not fill a step moves on to the next longer bucket; only the last
    bucket has a step with smaller batches. Every item is in exactly one batch, except those of `BatchPlan.left_out`.

    Args:
        durations: seconds of every item.
        max_seconds: bound for number of items x longest item, for each rank.
        seed: number that, with `epoch`, fixes the order.
        epoch: number of the epoch.
        num_buckets: more buckets pad less and mix less.
        max_items: bound for the number of items in a batch.
        world_size: number of ranks, or of batches per step, that the ranks share.
        crop: count items longer than `max_seconds` as that long, since the reader crops them; otherwise they are errors.
        ids: ids of the items, for messages; by default they are numbered.

    Raises:
        ConfigError: if an option is not positive.
        DataError: if a duration is not positive and finite, or longer than `max_seconds` without `crop`.
    """
    if min(max_seconds, num_buckets, max_items, world_size) <= 0:
        raise ConfigError("max_seconds, num_buckets, max_items and world_size must be positive.")
    seconds = _checked(np.asarray(durations, np.float64), max_seconds, crop, ids)
    generator = derive_generator(seed, epoch, "batches")
    steps: list[_Step] = []
    carried = np.zeros(0, np.int64)
    buckets = _buckets(seconds, num_buckets)
    for number, bucket in enumerate(buckets, start=1):
        pool = np.concatenate([carried, bucket])
        pool = pool[torch.randperm(len(pool), generator=generator).numpy()]
        batches = _pack(pool.tolist(), seconds[pool].tolist(), max_seconds, max_items)
        if number < len(buckets):
            # The last batch is seldom full, so it is handed out too.
            num_whole = (len(batches) - 1) // world_size * world_size
            rest = [index for batch in batches[num_whole:] for index in batch]
        else:
            num_whole = len(batches) // world_size * world_size
            last, rest = _spread(batches[num_whole:], world_size)
            steps += last
        steps += [batches[first : first + world_size] for first in range(0, num_whole, world_size)]
        carried = np.array(rest, np.int64)
    order = torch.randperm(len(steps), generator=generator).tolist()
    return BatchPlan([steps[position] for position in order], carried.tolist())


def _checked(seconds: np.ndarray, max_seconds: float, crop: bool, ids: Sequence[str] | None) -> np.ndarray:
    def name(index: int) -> str:
        return f"item {index if ids is None else ids[index]}"

    if (bad := np.flatnonzero(~(np.isfinite(seconds) & (seconds > 0)))).size:
        raise DataError(
            f"{name(int(bad[0]))} has a duration of {seconds[bad[0]]} s; {bad.size} of {len(seconds)} are not positive."
        )
    if crop:
        return np.minimum(seconds, max_seconds)
    if (long := np.flatnonzero(seconds > max_seconds)).size:
        raise DataError(
            f"{name(int(long[0]))} lasts {seconds[long[0]]:.2f} s, longer than a batch may be ({max_seconds:g} s), as do "
            f"{long.size} of {len(seconds)} items. Raise training.batch_seconds, or lower student.max_item_seconds "
            "(max_item_seconds when fine-tuning), above which items are cut, cropped or left out."
        )
    return seconds


def _buckets(seconds: np.ndarray, num_buckets: int) -> list[np.ndarray]:
    """Cut the items, sorted by duration, into buckets of about equal total duration; short to long, none empty."""
    order = np.argsort(seconds, kind="stable")
    total = np.cumsum(seconds[order])
    if not len(total):
        return []
    edges = np.searchsorted(total, total[-1] * np.arange(1, num_buckets) / num_buckets)
    return [bucket for bucket in np.split(order, edges) if len(bucket)]


def _pack(indexes: list[int], seconds: list[float], max_seconds: float, max_items: int) -> list[list[int]]:
    """Fill one batch after another while number x longest stays within `max_seconds`."""
    batches: list[list[int]] = []
    batch: list[int] = []
    longest = 0.0
    for index, length in zip(indexes, seconds, strict=True):
        longer = max(longest, length)
        if batch and (len(batch) == max_items or (len(batch) + 1) * longer > max_seconds):
            batches.append(batch)
            batch, longer = [], length
        batch.append(index)
        longest = longer
    return [*batches, batch] if batch else batches


def _spread(batches: list[list[int]], world_size: int) -> tuple[list[_Step], list[int]]:
    """Make one step of fewer batches than ranks by halving the largest ones; else return the single items left."""
    if not batches:
        return [], []
    while len(batches) < world_size:
        batches = sorted(batches, key=len, reverse=True)
        half = len(batches[0]) // 2
        if half == 0:
            return [], [batch[0] for batch in batches]
        batches = [batches[0][:half], batches[0][half:], *batches[1:]]
    return [batches], []
