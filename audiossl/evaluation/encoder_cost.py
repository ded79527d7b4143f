"""The measurement behind `cost`: an encoder run in this process."""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from audiossl.embedding.embedder import Embedder
from audiossl.evaluation.cost import SECONDS, Cost

REPEATS = 3


def cost_of(embedder: Embedder) -> Cost:
    """Measure an encoder in this process; its peak memory then counts whatever else the process has held."""
    signal = 0.1 * torch.randn(1, _channels(embedder), round(SECONDS * embedder.sample_rate))
    lengths = torch.tensor([signal.shape[2]])

    @torch.no_grad()
    def run() -> None:
        embedder(signal, lengths)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run()
        peak = _peak_gib()
        seconds = statistics.median(_cpu_seconds(run) for _ in range(REPEATS))
    finally:
        torch.set_num_threads(threads)
    parameters = sum(parameter.numel() for parameter in embedder.parameters())
    return Cost(parameters, _count_flop(run) / 1e9 / SECONDS, seconds / SECONDS, peak)


def _channels(embedder: Embedder) -> int:
    takes = getattr(embedder.encoder, "takes", None)  # of sensor encoders
    return len(takes.channels) if takes is not None else 1


def _count_flop(run: Callable[[], None]) -> int:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # The counter knows PyTorch's own operations, not products by oneDNN or fused attention on CPUs.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = torch.backends.mkldnn.flags(enabled=False)
        with plain, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            run()
    return counter.get_total_flops()


def _cpu_seconds(run: Callable[[], None]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def _peak_gib() -> float:
    status = Path("/proc/self/status")
    if status.is_file():  # not getrusage, which counts what the parent held when this process was born
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30


if __name__ == "__main__":
    from audiossl.load import load

    print(json.dumps(asdict(cost_of(load(sys.argv[1])))))
