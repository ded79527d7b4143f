"""Where a training step on a CPU spends its time, and the least that its arithmetic would take.

    python tools/bench/step.py --json step.json
    python tools/bench/step.py --threads 2

Trains the tiny student of `recipes/asterisk` to predict 8 codebooks of 256 from noise, in batches of 30 s of which no two have
the same shape, as those of recordings do. The bound is the number of floating-point operations of matrix products and
convolutions over the rate of a large product on this machine.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from audiossl.threads import wait_passively

wait_passively()

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import nn  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from audiossl.files import write_json  # noqa: E402
from audiossl.models.linear import linear  # noqa: E402
from audiossl.models.student import make_student  # noqa: E402
from audiossl.objectives.batch import TokenBatch, collate_tokens  # noqa: E402
from audiossl.objectives.masked_prediction import MaskedPredictionConfig, TokenStream  # noqa: E402
from audiossl.objectives.masked_tokens import MaskedTokens  # noqa: E402
from audiossl.training.config import TrainingConfig  # noqa: E402
from audiossl.training.devices import keep_freed_memory  # noqa: E402
from audiossl.training.optimisers import make_optimiser  # noqa: E402

BATCH_SECONDS, RATE = 30.0, 16000
KINDS = {
    "linear layers": ("_linear_pointwise", "addmm", "mm"),
    "attention products": ("bmm", "baddbmm"),
    "convolutions": ("mkldnn_convolution",),
    "copies and filling": ("copy_", "fill_", "cat", "zero_", "index", "gather", "stack", "masked_fill_", "where", "index_select"),
    "softmax and cross-entropy": ("_softmax", "_log_softmax", "_softmax_backward_data", "_log_softmax_backward_data", "argmax"),
}


def make_batches(count: int) -> list[TokenBatch]:
    """Batches of clips of nearly equal lengths, between 0.8 and 12 s."""
    batches = []
    for index in range(count):
        generator = torch.Generator().manual_seed(index)
        longest = 0.8 * 15 ** float(torch.rand((), generator=generator))
        seconds = (longest * (1 - 0.05 * torch.rand(int(BATCH_SECONDS / longest), generator=generator))).tolist()
        signals = [torch.randn(1, int(RATE * length), generator=generator) * 0.1 for length in seconds]
        tokens = [{"tokens": torch.randint(256, (int(50 * length), 8), generator=generator)} for length in seconds]
        batches.append(collate_tokens([f"{index}-{item}" for item in range(len(seconds))], signals, tokens))
    return batches


class Phases:
    """CPU seconds of the process in parts of a step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def timed(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        """The function, whose time is noted under a name."""

        def run(*args: object) -> object:
            begin = time.process_time()
            try:
                return function(*args)
            finally:
                self.seconds[name] += time.process_time() - begin

        return run


def rate_of_products() -> float:
    """Floating-point operations a second of a large matrix product."""
    x, weight = torch.randn(2048, 2048), torch.randn(2048, 2048)
    best = 0.0
    for _ in range(5):
        begin = time.process_time()
        linear(x, weight, None)
        best = max(best, 2 * 2048**3 / (time.process_time() - begin))
    return best


def train(objective: MaskedTokens, optimiser: torch.optim.Optimizer, batches: list[TokenBatch], phases: Phases) -> None:
    """One step for each batch, as `audiossl.training.fit` does it."""
    for batch in batches:
        loss = phases.timed("forward", objective)(batch)
        phases.timed("backward", loss.total.backward)()  # type: ignore[attr-defined]
        grads = [param.grad for param in objective.parameters() if param.grad is not None]
        phases.timed("division and norm of the gradient", lambda found=grads: nn.utils.get_total_norm(found))()
        phases.timed("optimiser", optimiser.step)()
        optimiser.zero_grad(set_to_none=True)


def kinds_of_operations(objective: MaskedTokens, batches: list[TokenBatch]) -> dict[str, float]:
    """Milliseconds a step of forward and backward by kind of operation."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for batch in batches:
            objective(batch).total.backward()
    times: dict[str, float] = defaultdict(float)
    for event in found.key_averages():
        name = event.key.rpartition("::")[2]
        kind = next((kind for kind, names in KINDS.items() if name in names), "everything else, element by element")
        times[kind] += event.self_cpu_time_total / 1000 / len(batches)
    return dict(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=16, metavar="N", help="of each measurement")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of torch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    config = MaskedPredictionConfig(time_mask_probability=0.2, channel_mask_probability=0.1, channel_mask_length=9)
    objective = MaskedTokens(make_student("zipformer", "tiny", {}), {"tokens": TokenStream(50.0, 8, 256)}, config).train()
    optimiser, batches = make_optimiser(objective, TrainingConfig(lr=0.01)), make_batches(2 * options.steps)
    train(objective, optimiser, batches[:2], Phases())
    phases, measured = Phases(), batches[: options.steps]
    for part, method in (("log-mel", "_features"), ("masks", "_mask"), ("encoder", "_encode")):
        setattr(objective, method, phases.timed(part, getattr(objective, method)))
    begin, seconds = time.perf_counter(), sum(batch.seconds for batch in measured)
    train(objective, optimiser, measured, phases)
    wall, spent = time.perf_counter() - begin, dict(phases.seconds)  # what follows runs the same parts
    with FlopCounterMode(display=False) as flops, torch.backends.mkldnn.flags(enabled=False):
        objective(batches[0]).total.backward()
    bound = flops.get_total_flops() / batches[0].seconds / rate_of_products()
    kinds = kinds_of_operations(objective, batches[options.steps :])
    spent["heads, loss and measures"] = spent.pop("forward") - sum(spent[part] for part in ("log-mel", "masks", "encoder"))
    total = sum(spent.values())
    table = Table(
        title=f"a step of {seconds / len(measured):.0f} s, {options.threads} threads: {seconds / wall:.0f} audio seconds a second"
    )
    for title in ("part", "CPU ms a step", "share"):
        table.add_column(title, justify="left" if title == "part" else "right")
    for name, value in sorted(spent.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{1000 * value / len(measured):.1f}", f"{value / total:.1%}")
    table.add_section()
    for name, value in sorted(kinds.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{value:.1f}", f"{value / sum(kinds.values()):.1%}")
    Console(width=110).print(table)
    least = bound * seconds / total
    print(f"CPU seconds per audio second {total / seconds:.5f}; by arithmetic at least {bound:.5f} ({least:.0%} of it)")
    if options.json:
        row = {"cpu_seconds_per_audio_second": total / seconds, "bound": bound, "audio_seconds_per_second": seconds / wall}
        write_json(options.json, {**row, "parts": spent, "kinds_ms": kinds})


if __name__ == "__main__":
    main()
