"""Speed and memory of our Zipformer against WavLM and HuBERT of transformers, with random weights, on one thread.

    python tools/bench/encoder.py --json encoder.json
    python tools/bench/encoder.py --models zipformer-base wavlm-base --seconds 10 --no-training
    python tools/bench/encoder.py --models zipformer-base zipformer-base+compile wavlm-base --seconds 10 --no-training

All models take turns on the same clips; times are the median of CPU seconds of this process per second of audio. Ratios to
WavLM-Base hold within a run; do not compare seconds between runs. Behind a plus sign is what a model is changed by: `mkl` takes
PyTorch's own matrix products out of ours, `onednn` puts ours into the peers, so that each can be compared with its like; `int8`
is `quantise_int8`, `compile` is `torch.compile` (minutes for the first clip of each length).

Clips of more than 30 s go through the windows of `Embedder` for our models and whole through the others, where they fit into
`--memory`. Peak memory is that of a process of its own which builds the model and encodes one clip, library code included; it is
read from /proc. Floating point operations are counted on the meta device without log-mel; windows of 34 s stand for longer clips
of ours.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peers import make_peer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder
from audiossl.files import write_json
from audiossl.models import Zipformer
from audiossl.models.linear import Linear

console = Console(width=150)
RATE = 16000
WINDOW_SECONDS = 34  # an embedder's window with its context
DEFAULT = ["zipformer-tiny", "zipformer-base", "zipformer-base+mkl", "zipformer-base+int8", "zipformer-large"]
DEFAULT += ["hubert-base", "wavlm-base", "wavlm-base+onednn", "wavlm-large"]
REFERENCE = "wavlm-base"


def build(name: str) -> nn.Module:
    """Build a model with random weights, in evaluation mode, changed by what follows the plus signs."""
    torch.manual_seed(0)
    architecture, *changes = name.split("+")
    family, size = architecture.split("-")
    model = (Zipformer.from_preset(size) if family == "zipformer" else make_peer(family, size)).eval()
    for change in changes:
        if change in ("mkl", "onednn"):
            ours, wanted = (Linear, nn.Linear) if change == "mkl" else (nn.Linear, Linear)
            for module in model.modules():
                if type(module) is ours:
                    vars(module)["forward"] = wanted.forward.__get__(module)  # same parameters, other product
        elif change == "int8":
            from audiossl.models.int8 import quantise_int8

            quantise_int8(model)
        elif change == "compile":
            torch._dynamo.config.cache_size_limit = 32
            if isinstance(model, Zipformer):
                model.forward_features = torch.compile(model.forward_features, dynamic=False)
            else:
                model.forward = torch.compile(model.forward, dynamic=False)
        else:
            raise SystemExit(f"{name}: expected +mkl, +onednn, +int8 or +compile, got +{change}")
    return model


def encode(model: nn.Module, clip: Tensor) -> Any:
    """Encode one clip (1, S), long ones of ours in windows."""
    with torch.no_grad():
        if not isinstance(model, Zipformer):
            return model(clip).last_hidden_state
        if clip.shape[1] > 30 * RATE:
            return Embedder(model).embed(clip[0]).frames
        return model(clip[:, None], torch.tensor([clip.shape[1]])).last


def training_step(model: nn.Module, clip: Tensor) -> None:
    """Take the mean square of the output as loss, forward and backward."""
    is_ours = isinstance(model, Zipformer)
    out = model(clip[:, None], torch.tensor([clip.shape[1]])).last if is_ours else model(clip).last_hidden_state
    model.zero_grad()
    out.square().mean().backward()


def needed_gib(name: str, seconds: float) -> float:
    """Roughly what a clip needs beyond the weights: three times the first convolution's output, and WavLM's attention weights."""
    if name.startswith("zipformer"):
        return 1.0
    heads = 16 if "large" in name else 12
    attention = 3 * heads * (50 * seconds) ** 2 if name.startswith("wavlm") else 0
    return (3 * 512 * RATE / 5 * seconds + attention) * 4 / 2**30


def gflop_per_second(name: str, seconds: float) -> float:
    """Floating point operations of one clip per second of audio, in units of 1e9."""
    from torch.utils.flop_counter import FlopCounterMode

    architecture = name.split("+")[0]
    with torch.device("meta"):
        model = build(architecture)
    whole = min(seconds, WINDOW_SECONDS) if isinstance(model, Zipformer) else seconds
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if isinstance(model, Zipformer):
            frames = round(whole * 100)
            features = torch.empty(1, frames, model.config.num_mel_bins, device="meta")
            model.forward_features(features, torch.tensor([frames]))
        else:
            model(torch.empty(1, round(whole * RATE), device="meta"))
    return counter.get_total_flops() / 1e9 / (30 if whole == WINDOW_SECONDS else whole)


def peak_gib(name: str, seconds: float) -> float:
    """Peak memory of a new process that builds the model and encodes one clip."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_here, (name, seconds))


def _peak_here(name: str, seconds: float) -> float:
    torch.set_num_threads(1)
    encode(build(name), torch.randn(1, round(seconds * RATE)) * 0.1)
    # Not getrusage, which counts what the parent held when this process was born.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def in_turns(work: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of every piece of work, in turns, after one unmeasured turn."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 1):
        for name, run in work.items():
            begin = time.process_time()
            run()
            if turn:
                seconds[name].append(time.process_time() - begin)
    return seconds


def rows_of(task: str, seconds: float, spent: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Rows of one task: median, range, and the median ratio to the reference of the same turn."""
    rows = []
    for name, times in spent.items():
        row = {"task": task, "seconds": seconds, "model": name, "cpu_s_per_audio_s": statistics.median(times) / seconds}
        row |= {"fastest": min(times) / seconds, "slowest": max(times) / seconds, "to_wavlm_base": None}
        if REFERENCE in spent:
            row["to_wavlm_base"] = statistics.median(a / b for a, b in zip(times, spent[REFERENCE], strict=True))
        rows.append(row)
    return rows


def compare(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run everything that was asked for."""
    models = {name: build(name) for name in options.models}
    rows = []
    for seconds in options.seconds:
        clip = torch.randn(1, round(seconds * RATE)) * 0.1
        fits = {name: model for name, model in models.items() if needed_gib(name, seconds) <= options.memory}
        for name in models.keys() - fits.keys():
            console.print(f"{name} on {seconds:g} s needs about {needed_gib(name, seconds):.0f} GiB: left out (--memory)")
        repeats = options.repeats if seconds <= 10 else min(options.repeats, 3)
        spent = in_turns({name: lambda model=model, clip=clip: encode(model, clip) for name, model in fits.items()}, repeats)
        new = rows_of("encode", seconds, spent)
        for row in new:
            row["gflop_per_audio_s"] = gflop_per_second(row["model"], seconds)
            row["peak_gib"] = None if options.no_memory else peak_gib(row["model"], seconds)
        show(f"encode {seconds:g} s", new)
        rows += new
    if not options.no_training:
        clip = torch.randn(1, 10 * RATE) * 0.1
        trained = {name: model for name, model in models.items() if not {"int8", "compile"} & set(name.split("+"))}
        trained = {name: model for name, model in trained.items() if "large" not in name}
        steps = {name: lambda model=model: training_step(model, clip) for name, model in trained.items()}
        new = rows_of("training step", 10, in_turns(steps, min(options.repeats, 3)))
        show("training step, forward and backward, 10 s", new)
        rows += new
    return rows


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table."""
    table = Table(title=title)
    columns = [column for column in rows[0] if column not in ("task", "seconds")]
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column == "model" else "right")
    for row in rows:
        table.add_row(*(value if isinstance(value := row[key], str) else f"{value:.3g}" if value else "" for key in columns))
    console.print(table)


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=DEFAULT, metavar="NAME", help=f"by default {' '.join(DEFAULT)}")
    parser.add_argument("--seconds", nargs="+", type=float, default=[1, 10, 30, 300], metavar="S", help="lengths of the clips")
    parser.add_argument("--repeats", type=int, default=7, help="turns; 3 at most for clips of more than 10 s and training")
    parser.add_argument("--memory", type=float, default=4.0, metavar="GIB", help="leave out clips that need more")
    parser.add_argument("--no-memory", action="store_true", help="do not measure peak memory")
    parser.add_argument("--no-training", action="store_true", help="no training step")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = compare(options)
    if options.json:
        about = {"torch": torch.__version__, "cpu": platform.processor(), "capability": torch.backends.cpu.get_cpu_capability()}
        write_json(options.json, json.loads(json.dumps({**about, "rows": rows})))


if __name__ == "__main__":
    main()
