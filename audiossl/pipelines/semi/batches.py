"""Batches of labelled and unlabelled windows in views, each step drawn by its own key."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from audiossl.objectives.semi_batch import SemiBatch
from audiossl.pipelines.semi.config import PairConfig
from audiossl.pipelines.semi.views import ViewSource
from audiossl.seeds import derive_generator
from audiossl.world import World

EPOCH = 100  # batches


class SemiBatches:
    """Batches without end. A batch depends on the seed and its number alone, so that a run resumes exactly, on any ranks.

    Args:
        source: views of windows.
        y: classes of all windows, which are read for the labelled rows, and for measures.
        labelled: rows whose labels are read.
        pool: rows that are learned from without labels.
        config: sizes.
        seed: seed of the draws.
        pool_source: views of the windows as the pool has them, where it is of another device.
    """

    def __init__(
        self,
        source: ViewSource,
        y: Int[Tensor, "N T"],
        labelled: Int[Tensor, "L"],
        pool: Int[Tensor, "U"],
        *,
        config: PairConfig,
        seed: int,
        pool_source: ViewSource | None = None,
    ) -> None:
        self.pool_source = pool_source or source
        self.source, self.y, self.labelled, self.pool = source, y, labelled, pool
        self.config, self.seed, self.world = config, seed, World.join()
        self.failed: dict[str, Exception] = {}  # windows are in memory

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of an epoch, which has a fixed number of batches."""
        return max(1, EPOCH // batches_per_step)

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[SemiBatch]:
        """Iterate over this rank's batches of an epoch, from any step on."""
        for step in range(first_step, self.steps_per_epoch(batches_per_step)):
            numbers = range(step * batches_per_step, (step + 1) * batches_per_step)
            for number in numbers[self.world.rank :: self.world.size]:
                yield self.batch(epoch, number)

    def fixed(self) -> Iterator[SemiBatch]:
        """This rank's part of the first batches."""
        return (self.batch(0, number) for number in range(self.world.rank, 2, self.world.size))

    def batch(self, epoch: int, number: int) -> SemiBatch:
        """The batch of a number."""
        key = (self.seed, "semi", epoch, number)
        labelled = _drawn(self.labelled, self.config.labelled, (*key, "labelled"))
        pool = _drawn(self.pool, self.config.unlabelled, (*key, "pool"))
        views = self.source.views(labelled, (*key, "labelled")), self.pool_source.views(pool, (*key, "pool"))
        return SemiBatch(views[0], self.y[labelled], views[1], self.y[pool])


def _drawn(rows: Int[Tensor, "N"], count: int, key: tuple[int | str, ...]) -> Int[Tensor, "M"]:
    """Some rows without repetition; all where there are no more."""
    if len(rows) <= count:
        return rows
    return rows[torch.randperm(len(rows), generator=derive_generator(*key))[:count]]
