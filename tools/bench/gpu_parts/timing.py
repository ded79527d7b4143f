"""Seconds of work on a device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def wait_for(device: torch.device) -> None:
    """Return when a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(run: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call, until the device is done."""
    wait_for(device)
    begin = time.perf_counter()
    run()
    wait_for(device)
    return time.perf_counter() - begin


def medians(work: Mapping[str, Callable[[], Any]], device: torch.device, repeats: int, warm_up: int = 1) -> dict[str, float]:
    """Median seconds of every piece of work, in turns, after turns that do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(warm_up + repeats):
        for name, run in work.items():
            spent = seconds_of(run, device)
            if turn >= warm_up:
                seconds[name].append(spent)
    return {name: statistics.median(values) for name, values in seconds.items()}


def call_gib(run: Callable[[], Any], device: torch.device) -> float | None:
    """Most memory of a CUDA device that tensors took during a call, beyond what they held before; None elsewhere."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**30
