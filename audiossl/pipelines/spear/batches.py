"""Batches of signals with their tokens, as a pure function of (epoch, step)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from jaxtyping import Shaped
from torch import Tensor

from audiossl.errors import ConfigError, DataError
from audiossl.lengths import on_host
from audiossl.objectives.batch import TokenBatch, collate_tokens
from audiossl.seeds import derive_generator
from audiossl.signals.batches import BatchLoader, BatchPlan, plan_batches
from audiossl.signals.corpora.corpus import Corpus, CorpusItem, garbage_kept
from audiossl.signals.loading_options import LoadingOptions
from audiossl.signals.mixing import MixedCorpus, MixingConfig, Mixture, draw_mixture
from audiossl.tokens.mixing import mix_tokens
from audiossl.tokens.store import TokenStore
from audiossl.world import World


@dataclass(frozen=True)
class Epoch:
    """What is read in an epoch: the items with their repeats and mixtures, and their batches."""

    corpus: MixedCorpus
    plan: BatchPlan


class TokenBatches:
    """A corpus read in step with its token stores.

    Recordings longer than `max_item_seconds` are cut into pieces of equal length that begin on whole token frames.

    Args:
        corpus: the recordings to train on.
        stores: tokens by stream.
        targets: names the streams that are predicted from a recording; each of their stores holds it.
        batch_seconds: signal per batch, padding included.
        max_item_seconds: longest piece, before mixing.
        seed: seed of the batch order, the repeats, the mixtures and, through the batch, of the masks.
        mixing: sounds that are mixed in. Mixtures longer than a batch are not made.
        noise: corpus of the noise; None takes it from the recordings of other domains than the main one.
        repeats: number of times that a recording comes in an epoch, by its custom field `source` or `domain`: 2.0 twice, 1.7 once
            and in 7 of 10 epochs twice. Where both are given they are multiplied.
        main_domain: recordings of this domain are utterances; where it is None, all are.
        loading: number of threads that read, and of batches that are read ahead.

    Raises:
        ConfigError: if noise is asked for and there is none, or a repeat is negative or names nothing.
    """

    def __init__(
        self,
        corpus: Corpus,
        stores: Mapping[str, TokenStore],
        targets: Callable[[CorpusItem], Sequence[str]],
        batch_seconds: float,
        max_item_seconds: float,
        seed: int,
        *,
        mixing: MixingConfig | None = None,
        noise: Corpus | None = None,
        repeats: Mapping[str, float] | None = None,
        main_domain: str | None = None,
        loading: LoadingOptions | None = None,
    ) -> None:
        self.stores, self.targets, self.batch_seconds, self.seed = stores, targets, batch_seconds, seed
        self.mixing, self.noise, self.repeats, self.main_domain = mixing or MixingConfig(), noise, repeats or {}, main_domain
        self.loading = loading or LoadingOptions()
        self.prefetch = self.loading.prefetch if self.loading.workers else 0
        self.origin: dict[str, tuple[str, int, int]] = {}  # piece to recording, first sample, number of samples
        self.grid = math.lcm(*(round(corpus.sample_rate / store.frame_rate) for store in stores.values()))
        with garbage_kept():
            pieces = [piece for item in corpus.items for piece in self._cut(item, corpus.sample_rate, max_item_seconds)]
        self.corpus = corpus.with_items(pieces)
        self.utterances = [piece for piece in pieces if self._is_utterance(piece)]
        self.noises = noise.items if noise else [piece for piece in pieces if not self._is_utterance(piece)]
        self._check()
        self.failed: dict[str, DataError] = {}
        self.world = World.join()
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of epoch 0; other epochs may differ by a few."""
        return len(self.epoch(0, batches_per_step).plan.steps)

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[TokenBatch]:
        """Iterate over this rank's batches of an epoch, from any step on; the ranks share the batches of each step."""
        read = self.epoch(epoch, batches_per_step)
        batches = read.plan.of_rank(self.world.rank, self.world.size)
        return self._read(read, batches, epoch, first_step * self.world.batches_of(batches_per_step), in_step=True)

    def fixed(self) -> Iterable[TokenBatch]:
        """This rank's part of the batches of epoch 0, always the same: for validation."""
        read = self.epoch(0, 1)
        return self._read(read, read.plan.of_rank(0)[self.world.rank :: self.world.size], 0)

    def _read(
        self, read: Epoch, batches: list[list[int]], epoch: int, first_batch: int = 0, in_step: bool = False
    ) -> Iterator[TokenBatch]:
        rate = self.corpus.sample_rate
        items = {item.id: item for item in read.corpus.items}
        loader = BatchLoader(
            read.corpus, batches, first_batch, seed=self.seed, epoch=epoch, num_threads=self.loading.workers,
            prefetch=self.loading.prefetch, failed=self.failed, in_step=in_step,
        )  # fmt: skip
        for batch in loader:
            signals = [row[:, :length] for row, length in zip(batch.signal, on_host(batch.lengths), strict=True)]
            tokens = [self._tokens(items[id_], read.corpus.mixtures.get(id_), epoch) for id_ in batch.ids]
            yield collate_tokens(batch.ids, signals, tokens, epoch=epoch, seed=self.seed, sample_rate=float(rate))

    def _epoch(self, epoch: int, batches_per_step: int = 1) -> Epoch:
        with garbage_kept():
            items = [copy for item in self.corpus.items for copy in self._copies(item, epoch)]
        mixtures = {item.id: mixture for item in items if (mixture := self._mixture(item, epoch))}
        drawn = MixedCorpus(self.corpus.with_items(items), mixtures, self.noise)
        ids = [item.id for item in items]
        plan = plan_batches(
            drawn.durations, self.batch_seconds, seed=self.seed, epoch=epoch, world_size=batches_per_step, ids=ids
        )
        return Epoch(drawn, plan)

    def _copies(self, item: CorpusItem, epoch: int) -> Iterator[CorpusItem]:
        """The item as often as its repeats say, each time under an id of its own, and so with other masks."""
        wanted = math.prod(self.repeats.get(str(item.custom.get(field)), 1.0) for field in ("source", "domain"))
        count = int(wanted)
        if wanted > count:
            count += int(torch.rand((), generator=derive_generator(self.seed, epoch, item.id, "repeats")) < wanted - count)
        for copy in range(count):
            id_ = item.id if copy == 0 else f"{item.id}#{copy}"
            self.origin.setdefault(id_, self.origin[item.id])
            yield item if copy == 0 else replace(item, id=id_)

    def _mixture(self, item: CorpusItem, epoch: int) -> Mixture | None:
        if not (self.mixing.probability or self.mixing.other_probability):
            return None
        rate, key = self.corpus.sample_rate, (self.seed, epoch, item.id)
        mixture = draw_mixture(item, self.mixing, self.utterances, self.noises, rate, key, self._is_utterance(item))
        if mixture and (mixture.offset + mixture.size) / rate > self.batch_seconds:
            return None
        return mixture

    def _tokens(self, item: CorpusItem, mixture: Mixture | None, epoch: int) -> dict[str, Shaped[Tensor, "_ _"]]:
        tokens = {}
        for name in self.targets(item):
            store = self.stores[name]
            tokens[name] = self._stored(store, item.id)
            if mixture is not None and mixture.swap_tokens:
                other = self._stored(store, mixture.other.id)
                rate = store.frame_rate / self.corpus.sample_rate
                offset, frames = int(mixture.offset * rate + 1e-6), int(item.num_samples * rate + 1e-6)
                generator = derive_generator(self.seed, epoch, item.id, "token mixing", name)
                tokens[name] = mix_tokens(tokens[name], other, offset, mixture.share, frames, generator)
        return tokens

    def _stored(self, store: TokenStore, piece: str) -> Shaped[Tensor, "_ _"]:
        item, first, num_samples = self.origin[piece]
        rate = self.corpus.sample_rate
        return store.get(item, first / rate, num_samples / rate)

    def _is_utterance(self, item: CorpusItem) -> bool:
        return self.main_domain is None or item.custom.get("domain") == self.main_domain

    def _check(self) -> None:
        needs_noise = (self.mixing.probability and self.mixing.noise_share) or self.mixing.other_probability
        if needs_noise and not self.noises:
            raise ConfigError("mixing asks for noise, and there is neither a noise corpus nor a recording of another domain.")
        known = {str(item.custom.get(field)) for item in self.corpus.items for field in ("source", "domain")}
        for name, count in self.repeats.items():
            if count < 0 or name not in known:
                raise ConfigError(f"repeats.{name}={count}: expected a number of 0 or more for one of {', '.join(sorted(known))}")

    def _cut(self, item: CorpusItem, sample_rate: int, max_seconds: float) -> Iterator[CorpusItem]:
        longest = max_seconds * sample_rate
        if item.num_samples <= longest:
            self.origin[item.id] = (item.id, 0, item.num_samples)
            yield item
            return
        # Pieces are whole frames, so it is whole frames that must stay within the bound.
        count = math.ceil(item.num_samples / (max(1, int(longest / self.grid + 1e-6)) * self.grid))
        size = math.ceil(item.num_samples / count / self.grid) * self.grid
        for first in range(0, item.num_samples, size):
            id_ = f"{item.id}@{first}"
            samples = min(size, item.num_samples - first)
            self.origin[id_] = (item.id, first, samples)
            start = item.start + first / sample_rate
            yield replace(item, id=id_, start=start, num_samples=samples, duration=samples / sample_rate)
