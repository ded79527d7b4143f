"""What an encoder costs: parameters, floating-point operations, CPU seconds and memory, measured in a process of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError

SECONDS = 10.0  # of noise; a frame count that all encoders here run whole
REPEATS = 3


@dataclass(frozen=True)
class Cost:
    """Costs of encoding `SECONDS` seconds of one clip on one thread in float32.

    Attributes:
        num_parameters: number of parameters of the whole encoder.
        gflop: 1e9 floating-point operations per second of audio, of products, convolutions and attention; Fourier transforms and
            what is done element by element are not counted.
        cpu_seconds: CPU seconds per second of audio, the median of three clips.
        peak_gib: peak memory of a process that loads the encoder and encodes the clip, libraries included, in GiB.
    """

    num_parameters: int
    gflop: float
    cpu_seconds: float
    peak_gib: float


def measure_cost(name: str) -> Cost:
    """Measure an encoder that `audiossl.load` takes, in a new process.

    Raises:
        ConfigError: if it cannot be loaded or run; the message holds the reason.
    """
    child = subprocess.run([sys.executable, "-m", "audiossl.evaluation.cost", name], capture_output=True, text=True)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(f"the cost of '{name}' cannot be measured: {reason}")
    return Cost(**json.loads(child.stdout.strip().splitlines()[-1]))


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
