"""Where groups of recordings are worked on: in this process, in several of this machine, or by the workers of Ray Data."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import numpy as np

from audiossl.errors import ConfigError, import_extra
from audiossl.worker_processes import Row, map_by_processes

Engine = Literal["local", "ray"]
T = TypeVar("T")


def map_groups(
    work: Callable[[T], Iterator[Row]],
    groups: Sequence[T],
    engine: Engine = "local",
    num_workers: int | None = None,
    num_gpus: float = 0.0,
) -> Iterator[Row]:
    """Yield the rows that `work` makes of each group, in the order of the groups, whatever the engine.

    With `local` and several workers each is a process of this machine with a copy of `work`, and a part of torch's threads.
    With `ray` every worker has a copy of `work`, and the group of a worker that died is done again by another. A cluster that
    is connected, or named by RAY_ADDRESS, is used; otherwise one is started on this machine and ended afterwards. Files that
    `work` reads have to be readable from all of its machines.

    Args:
        work: called with a group; yields rows of strings, numbers and arrays, the same keys in each. Workers get it pickled.
        groups: JSON-able.
        engine: `local` or `ray` (extra `ray`).
        num_workers: number of workers. By default `local` works in this process, and ray has one for each CPU of the cluster.
        num_gpus: number of GPUs that each worker of ray needs; a part of one is allowed.

    Raises:
        ConfigError: for another engine, less than one worker, or work that cannot be copied to a process.
        StoreError: if a worker of `local` was killed.
        MissingExtraError: if ray is asked for and not installed.
    """
    if engine not in ("local", "ray") or (num_workers is not None and num_workers < 1):
        raise ConfigError(f"expected engine local or ray with at least 1 worker, got {engine!r} with {num_workers} workers")
    if engine == "ray":
        yield from _by_ray(work, groups, num_workers, num_gpus)
        return
    if num_workers is not None and num_workers > 1:
        yield from map_by_processes(work, groups, num_workers)
        return
    for group in groups:
        yield from work(group)


def _by_ray(work: Callable[[T], Iterator[Row]], groups: Sequence[T], num_workers: int | None, num_gpus: float) -> Iterator[Row]:
    if not groups:
        return
    with _cluster() as ray, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own use of what it deprecates
        data = import_extra("ray.data", "ray")
        context = data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        size = num_workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        rows = data.from_items([{"group": json.dumps(group)} for group in groups], override_num_blocks=len(groups))
        compute = data.ActorPoolStrategy(size=min(size, len(groups)))
        made = rows.map_batches(
            _Worker, fn_constructor_args=(work,), batch_size=1, compute=compute, num_cpus=1, num_gpus=num_gpus or None
        )
        for row in made.iter_rows():
            yield {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}


class _Worker:
    def __init__(self, work: Callable[[Any], Iterator[Row]]) -> None:
        self.work = work

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for text in batch["group"]:
            for row in self.work(json.loads(str(text))):
                yield {name: np.asarray(value)[None] for name, value in row.items()}


@contextmanager
def _cluster() -> Iterator[Any]:
    """Ray, connected; what was started here is ended here."""
    ray = import_extra("ray", "ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        if is_ours:
            ray.shutdown()
