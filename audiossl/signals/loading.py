"""Read the batches of a plan in background threads, in order, and account for every item that cannot be read."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.lengths import pad_stack
from audiossl.seeds import derive_generator
from audiossl.signals.corpora.corpus import Corpus

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Signals padded with zeros to the longest; `lengths` in samples."""

    signal: Float[Tensor, "B C S"]
    lengths: Int[Tensor, "B"]
    ids: list[str]

    def __len__(self) -> int:
        return len(self.ids)


def collate(items: Sequence[tuple[str, Tensor]]) -> Batch:
    """Pad signals of shape (S,) or (C, S) to a batch."""
    signals = [signal if signal.ndim == 2 else signal[None] for _, signal in items]
    padded, lengths = pad_stack([signal.T for signal in signals])  # (B, S, C)
    return Batch(padded.transpose(1, 2).contiguous(), lengths, [item_id for item_id, _ in items])


def _at_once(function: Callable[[int], T], index: int) -> Future[T]:
    """What `submit` of a pool gives, of a call that is made here and now."""
    done: Future[T] = Future()
    done.set_result(function(index))
    return done


class BatchLoader:
    """Iterate over the batches of one rank, from any step on.

    A file that cannot be read is logged once, kept in `failed` under its id, and missing from its batch. A batch of which
    no file can be read is left out, or, with `in_step`, another one comes in its place: the next that can be read, in the order
    of the epoch, after the last one the first. So each rank takes as many steps as the others, whatever its disk does.

    Args:
        corpus: what the indexes of the plan point to.
        batches: the item indexes of every step: `plan.of_rank(rank)`.
        start_step: where to begin; to resume is to pass the number of steps done.
        crop_seconds: read a random excerpt of this length from longer items, drawn from (seed, epoch, item id).
        seed: seed of the excerpts.
        epoch: epoch of the excerpts.
        num_threads: threads that read; 0 reads a batch when it is asked for.
        prefetch: batches to read ahead.
        failed: pass one dict to the loaders of all epochs, and no known bad file is read or reported twice.
        max_failed: stop with an error when more than this share of the items fails (and more than 20 of them).
        in_step: yield as many batches as there are, for training; False never reads an item twice, for scoring.

    Raises:
        DataError: while iterating, if too many items fail, or all.
    """

    def __init__(
        self,
        corpus: Corpus,
        batches: list[list[int]],
        start_step: int = 0,
        *,
        crop_seconds: float | None = None,
        seed: int = 0,
        epoch: int = 0,
        num_threads: int = 2,
        prefetch: int = 3,
        failed: dict[str, DataError] | None = None,
        max_failed: float = 0.1,
        in_step: bool = False,
    ) -> None:
        self.failed: dict[str, DataError] = {} if failed is None else failed
        self._corpus, self._batches, self._start_step = corpus, batches, start_step
        self._crop = None if crop_seconds is None else round(crop_seconds * corpus.sample_rate)
        self._seed, self._epoch = seed, epoch
        self._num_threads, self._prefetch, self._max_failed = num_threads, max(1, prefetch), max_failed
        self._in_step = in_step

    def __len__(self) -> int:
        """Number of batches left, if each has an item that can be read."""
        return max(0, len(self._batches) - self._start_step)

    def __iter__(self) -> Iterator[Batch]:
        pool = ThreadPoolExecutor(max(1, self._num_threads), thread_name_prefix="batches")  # starts no thread before it reads
        read = pool.submit if self._num_threads else _at_once
        waiting: deque[list[Future[tuple[str, Tensor | DataError]]]] = deque()
        ahead = iter(self._batches[self._start_step :])
        step = self._start_step - 1
        num_read = num_failed = 0
        try:
            while True:
                for batch in islice(ahead, (self._prefetch if self._num_threads else 1) - len(waiting)):
                    waiting.append([read(self._read, index) for index in batch])
                if not waiting:
                    return
                results = [future.result() for future in waiting.popleft()]
                step += 1
                signals = [(item_id, result) for item_id, result in results if isinstance(result, Tensor)]
                self._note([(item_id, result) for item_id, result in results if isinstance(result, DataError)])
                num_read += len(results)
                num_failed += len(results) - len(signals)
                is_last = num_read == sum(map(len, self._batches[self._start_step :]))
                if num_failed > max(20, self._max_failed * num_read) or (is_last and num_failed == num_read):
                    last = next(reversed(self.failed.values()))
                    raise DataError(
                        f"{num_failed} of {num_read} items could not be read, such as {last} Is the disk still there?"
                    )
                if not signals and self._in_step:
                    signals = self._instead_of(step)
                if signals:
                    yield collate(signals)
        finally:
            pool.shutdown(cancel_futures=True)

    def _instead_of(self, step: int) -> list[tuple[str, Tensor]]:
        """The signals of the next batch that can be read, round the end of the epoch."""
        for batch in (*self._batches[step + 1 :], *self._batches[:step]):
            results = [self._read(index) for index in batch]
            self._note([(item_id, result) for item_id, result in results if isinstance(result, DataError)])
            if signals := [(item_id, result) for item_id, result in results if isinstance(result, Tensor)]:
                return signals
        raise DataError(f"no batch can be read, such as {next(reversed(self.failed.values()))} Is the disk still there?")

    def _read(self, index: int) -> tuple[str, Tensor | DataError]:
        item = self._corpus.items[index]
        if item.id in self.failed:
            return item.id, self.failed[item.id]
        first, size = 0, item.num_samples
        if self._crop is not None and size > self._crop:
            generator = derive_generator(self._seed, self._epoch, item.id, "crop")
            first = int(torch.randint(size - self._crop + 1, (), generator=generator))
            size = self._crop
        try:
            return item.id, self._corpus.read(item, first, size)
        except DataError as error:
            return item.id, error
        except Exception as error:
            error.add_note(f"while item '{item.id}' was read")
            raise

    def _note(self, failures: list[tuple[str, DataError]]) -> None:
        for item_id, error in failures:
            if item_id not in self.failed:
                self.failed[item_id] = error
                _log.warning("item '%s' is skipped: %s", item_id, error)
