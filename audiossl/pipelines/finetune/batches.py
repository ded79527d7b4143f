"""Batches of signals with their labels, as a pure function of (epoch, batch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from jaxtyping import Shaped
from torch import Tensor

from audiossl.errors import DataError
from audiossl.objectives.labelled_batch import LabelledBatch, collate_labelled
from audiossl.signals.batches import BatchLoader, BatchPlan, plan_batches
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.loading_options import LoadingOptions
from audiossl.world import World


class LabelledBatches:
    """A corpus read in step with its targets.

    Args:
        corpus: the recordings.
        targets: targets of every recording, by id.
        batch_seconds: signal per batch and rank, padding included.
        seed: seed of the batch order, the crops and, through the batch, of augmentation.
        crop_seconds: length of a random excerpt of longer recordings, a new one each epoch.
        loading: number of threads that read, and of batches that are read ahead.
    """

    def __init__(
        self,
        corpus: Corpus,
        targets: Mapping[str, Shaped[Tensor, "_"]],
        batch_seconds: float,
        seed: int,
        crop_seconds: float | None = None,
        loading: LoadingOptions | None = None,
    ) -> None:
        self.corpus, self.targets, self.seed, self.crop_seconds = corpus, targets, seed, crop_seconds
        self.batch_seconds = batch_seconds
        self.loading = loading or LoadingOptions()
        self.prefetch = self.loading.prefetch if self.loading.workers else 0
        self.failed: dict[str, DataError] = {}
        self.world = World.join()
        self.plan = lru_cache(maxsize=2)(self._plan)

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of epoch 0; other epochs may differ by a few."""
        return len(self.plan(0, batches_per_step).steps)

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[LabelledBatch]:
        """Iterate over this rank's batches of an epoch, from any step on; the ranks share the batches of each step."""
        batches = self.plan(epoch, batches_per_step).of_rank(self.world.rank, self.world.size)
        return self._read(batches, epoch, first_step * self.world.batches_of(batches_per_step), in_step=True)

    def fixed(self) -> Iterable[LabelledBatch]:
        """This rank's part of the batches of epoch 0, always the same: for validation."""
        return self._read(self.plan(0, 1).of_rank(0)[self.world.rank :: self.world.size], 0)

    def whole(self) -> Iterable[LabelledBatch]:
        """All batches of epoch 0 on this rank: for scoring."""
        return self._read(self.plan(0, 1).of_rank(0), 0)

    def _read(self, batches: list[list[int]], epoch: int, first_batch: int = 0, in_step: bool = False) -> Iterator[LabelledBatch]:
        loader = BatchLoader(
            self.corpus, batches, first_batch, crop_seconds=self.crop_seconds, seed=self.seed, epoch=epoch, failed=self.failed,
            in_step=in_step, num_threads=self.loading.workers, prefetch=self.loading.prefetch,
        )  # fmt: skip
        for batch in loader:
            signals = [row[:, : int(length)] for row, length in zip(batch.signal, batch.lengths, strict=True)]
            targets = [self.targets[id_] for id_ in batch.ids]
            rate = float(self.corpus.sample_rate)
            yield collate_labelled(batch.ids, signals, targets, epoch=epoch, seed=self.seed, sample_rate=rate)

    def _plan(self, epoch: int, batches_per_step: int) -> BatchPlan:
        durations = [min(seconds, self.crop_seconds or seconds) for seconds in self.corpus.durations]
        ids = [item.id for item in self.corpus.items]
        return plan_batches(durations, self.batch_seconds, seed=self.seed, epoch=epoch, world_size=batches_per_step, ids=ids)
