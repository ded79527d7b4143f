"""Batches that are made ready while the device computes, in a thread of their own."""

from __future__ import annotations

import dataclasses
import queue
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any, TypeVar

import torch
from torch import Tensor

from audiossl.training.batches import Batch

T = TypeVar("T")


def feed(batches: Iterator[Batch], device: torch.device, ahead: int) -> Generator[Batch, None, None]:
    """The same batches, on a CUDA device so many steps before they are needed.

    They are copied from pinned memory on a stream of their own, while the step before is computed. On other devices nothing is
    gained by that: there the batches come as they are.

    Args:
        batches: batches in order; a thread of its own takes them, so they should draw nothing from torch's global state.
        device: device of the model.
        ahead: batches that wait on the device at most; 0 leaves them as they are.
    """
    if device.type != "cuda" or ahead <= 0:
        yield from batches
        return
    copies = torch.cuda.Stream(device)

    def moved() -> Iterator[tuple[Batch, Any]]:
        for batch in batches:
            pinned = batch.pin_memory() if hasattr(batch, "pin_memory") else batch  # type: ignore[attr-defined]
            with torch.cuda.stream(copies):
                there = pinned.to(device)
            yield there, copies.record_event()

    with closing(read_ahead(moved(), ahead)) as ready:
        for batch, copied in ready:
            stream = torch.cuda.current_stream(device)
            stream.wait_event(copied)
            for tensor in _tensors(batch):
                tensor.record_stream(stream)  # or its memory might be given away while the step still reads it
            yield batch


def read_ahead(items: Iterator[T], ahead: int) -> Generator[T, None, None]:
    """The same items, so many of which a thread has taken before they are asked for.

    What it raises is raised here, after the items before it. Where the iteration is left early the thread ends.

    >>> list(read_ahead(iter(range(5)), 2))
    [0, 1, 2, 3, 4]
    """
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=ahead)
    left = threading.Event()

    def put(is_last: bool, value: object) -> None:
        while not left.is_set():
            with suppress(queue.Full):
                ready.put((is_last, value), timeout=0.1)
                break

    def take() -> None:
        try:
            for item in items:
                put(False, item)
                if left.is_set():
                    break
            put(True, None)
        except BaseException as error:  # of any kind: the loop that asks should end by it
            put(True, error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=take, name="batches ahead", daemon=True)
    thread.start()
    try:
        while True:
            is_last, value = ready.get()
            if not is_last:
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        left.set()
        thread.join()


def _tensors(batch: Batch) -> Iterator[Tensor]:
    """The tensors of a batch that is a dataclass."""
    for item in dataclasses.fields(batch) if dataclasses.is_dataclass(batch) else ():
        value = getattr(batch, item.name)
        for part in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(part, Tensor):
                yield part
