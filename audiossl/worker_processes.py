"""Groups worked on by processes of this machine, their rows in the order of the groups."""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

import torch

from audiossl.errors import ConfigError, StoreError

AHEAD = 2  # groups of a worker that are sent before the rows of its first are wanted
T = TypeVar("T")
Row = dict[str, Any]
_work: Any = None  # of this process, where it is a worker; or why there is none


def map_by_processes(work: Callable[[T], Iterator[Row]], groups: Sequence[T], num_workers: int) -> Iterator[Row]:
    """Yield the rows that `work` makes of each group, in the order of the groups.

    The cores of this process are divided among the workers: each gets its share of torch's threads, at least one.

    Args:
        work: called with a group; yields rows. It is pickled once and copied to every worker.
        groups: what can be pickled.
        num_workers: number of processes; no more are started than there are groups.

    Raises:
        ConfigError: if `work` cannot be sent to a process, such as an encoder that holds an open file.
        StoreError: if a worker was killed.
    """
    if not groups:
        return
    try:
        packed = pickle.dumps(work)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise _cannot_be_sent(error) from error
    count = min(num_workers, len(groups))
    threads = max(1, torch.get_num_threads() // count)
    # Not by fork, which copies the threads of OpenMP without what they were doing.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[list[Row]]] = deque()
    # By a file: writing more than a pipe holds to a process that ended while it started would wait for ever.
    with tempfile.TemporaryDirectory(prefix="audiossl-") as folder:
        parcel = Path(folder) / "work.pickle"
        parcel.write_bytes(packed)
        del packed
        pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(str(parcel), threads))
        try:
            for group in groups:
                waiting.append(pool.submit(_rows_of, group))
                if len(waiting) > AHEAD * count:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise StoreError(
                "a worker ended early (out of memory, killed, or a script without `if __name__ == '__main__':`). Finished work "
                "is kept and the same call resumes it, with fewer workers if memory is short"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(parcel: str, threads: int) -> None:
    global _work
    torch.set_num_threads(threads)
    try:
        _work = pickle.loads(Path(parcel).read_bytes())
    except Exception as error:  # else the pool says no more than that a process ended
        _work = error


def _rows_of(group: Any) -> list[Row]:
    if isinstance(_work, Exception):
        raise _cannot_be_sent(_work)
    return list(_work(group))


def _cannot_be_sent(error: Exception) -> ConfigError:
    return ConfigError(
        f"the model cannot be copied to a worker ({type(error).__name__}: {error}). Use one worker, or start a job for each "
        "shard (i/n), which loads the model by itself"
    )
