"""Batches of signals with their tokens, as a pure function of (epoch, batch)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from audiossl.errors import DataError
from audiossl.objectives.batch import TokenBatch, collate_tokens
from audiossl.signals.batches import BatchLoader, BatchPlan, plan_batches
from audiossl.signals.corpus import Corpus, CorpusItem
from audiossl.tokens.store import TokenStore
from audiossl.training.world import World


class TokenBatches:
    """A corpus read in step with its token store.

    Recordings longer than `max_item_seconds` are cut into pieces of equal length that begin on whole token frames.

    Args:
        corpus: the recordings to train on.
        store: tokens of every recording.
        stream: name of the tokens in the batches.
        batch_seconds: signal per batch and rank, padding included.
        seed: of the batch order and, through the batch, of the masks.
    """

    def __init__(
        self, corpus: Corpus, store: TokenStore, stream: str, batch_seconds: float, max_item_seconds: float, seed: int
    ) -> None:
        self.store, self.stream, self.batch_seconds, self.seed = store, stream, batch_seconds, seed
        self.origin: dict[str, tuple[str, int]] = {}  # piece to recording and first sample
        pieces = [piece for item in corpus.items for piece in self._cut(item, corpus.sample_rate, max_item_seconds)]
        self.corpus = Corpus(pieces, corpus.sample_rate, None, corpus.items[0].path.parent)
        self.failed: dict[str, DataError] = {}
        self.world = World.join()
        self.plan = lru_cache(maxsize=2)(self._plan)

    def __len__(self) -> int:
        """Batches of a rank in epoch 0; other epochs may differ by a few."""
        return len(self.plan(0).steps)

    def __call__(self, epoch: int, first_batch: int = 0) -> Iterator[TokenBatch]:
        """Iterate over this rank's batches of an epoch, from any batch on."""
        batches = self.plan(epoch).of_rank(self.world.rank)
        for batch in BatchLoader(self.corpus, batches, first_batch, seed=self.seed, epoch=epoch, failed=self.failed):
            if not batch.ids:
                raise DataError(f"no recording of a batch could be read, such as {next(reversed(self.failed.values()))}")
            signals = [row[:, : int(length)] for row, length in zip(batch.signal, batch.lengths, strict=True)]
            tokens = [{self.stream: self._tokens(id_, signal.shape[1])} for id_, signal in zip(batch.ids, signals, strict=True)]
            rate = float(self.corpus.sample_rate)
            yield collate_tokens(batch.ids, signals, tokens, epoch=epoch, seed=self.seed, sample_rate=rate)

    def fixed(self) -> Iterable[TokenBatch]:
        """The batches of epoch 0, always the same: for validation."""
        return self(0)

    def _plan(self, epoch: int) -> BatchPlan:
        return plan_batches(
            self.corpus.durations, self.batch_seconds, seed=self.seed, epoch=epoch, world_size=self.world.size
        )  # fmt: skip

    def _cut(self, item: CorpusItem, sample_rate: int, max_seconds: float) -> Iterator[CorpusItem]:
        grid = round(sample_rate / self.store.frame_rate)
        count = max(1, math.ceil(item.num_samples / (max_seconds * sample_rate)))
        size = math.ceil(item.num_samples / count / grid) * grid
        for first in range(0, item.num_samples, size):
            id_ = item.id if count == 1 else f"{item.id}@{first}"
            samples = min(size, item.num_samples - first)
            self.origin[id_] = (item.id, first)
            start = item.start + first / sample_rate
            yield replace(item, id=id_, start=start, num_samples=samples, duration=samples / sample_rate)

    def _tokens(self, piece: str, num_samples: int):  # noqa: ANN202
        item, first = self.origin[piece]
        rate = self.corpus.sample_rate
        return self.store.get(item, first / rate, num_samples / rate)
