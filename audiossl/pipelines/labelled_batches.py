"""Batches of signals with their labels, as a pure function of (epoch, batch)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from jaxtyping import Shaped
from torch import Tensor

from audiossl.errors import DataError
from audiossl.objectives.labelled_batch import LabelledBatch, collate_labelled
from audiossl.signals.batches import BatchLoader, BatchPlan, plan_batches
from audiossl.signals.corpus import Corpus
from audiossl.training.world import World


class LabelledBatches:
    """A corpus read in step with its targets.

    Args:
        corpus: the recordings.
        targets: of every recording, by id.
        batch_seconds: signal per batch and rank, padding included.
        seed: of the batch order, the crops and, through the batch, of augmentation.
        crop_seconds: take a random excerpt of this length of longer recordings, a new one each epoch.
    """

    def __init__(
        self,
        corpus: Corpus,
        targets: Mapping[str, Shaped[Tensor, "_"]],
        batch_seconds: float,
        seed: int,
        crop_seconds: float | None = None,
    ) -> None:
        self.corpus, self.targets, self.seed, self.crop_seconds = corpus, targets, seed, crop_seconds
        self.batch_seconds = batch_seconds
        self.failed: dict[str, DataError] = {}
        self.world = World.join()
        self.plan = lru_cache(maxsize=2)(self._plan)

    def __len__(self) -> int:
        """Batches of a rank in epoch 0; other epochs may differ by a few."""
        return len(self.plan(0).steps)

    def __call__(self, epoch: int, first_batch: int = 0) -> Iterator[LabelledBatch]:
        """Iterate over this rank's batches of an epoch, from any batch on."""
        loader = BatchLoader(
            self.corpus, self.plan(epoch).of_rank(self.world.rank), first_batch, crop_seconds=self.crop_seconds, seed=self.seed,
            epoch=epoch, failed=self.failed,
        )  # fmt: skip
        for batch in loader:
            if not batch.ids:
                raise DataError(f"no recording of a batch could be read, such as {next(reversed(self.failed.values()))}")
            signals = [row[:, : int(length)] for row, length in zip(batch.signal, batch.lengths, strict=True)]
            targets = [self.targets[id_] for id_ in batch.ids]
            rate = float(self.corpus.sample_rate)
            yield collate_labelled(batch.ids, signals, targets, epoch=epoch, seed=self.seed, sample_rate=rate)

    def fixed(self) -> Iterable[LabelledBatch]:
        """The batches of epoch 0, always the same: for validation and scoring."""
        return self(0)

    def _plan(self, epoch: int) -> BatchPlan:
        durations = [min(seconds, self.crop_seconds or seconds) for seconds in self.corpus.durations]
        return plan_batches(durations, self.batch_seconds, seed=self.seed, epoch=epoch, world_size=self.world.size)
