"""Speed of our Gabor transform against PyWavelets on the 48 scales of arXiv 2510.22655, on one thread.

    python tools/bench/frames.py --json frames.json
    python tools/bench/frames.py --shapes 1x480 --hops 1 4 16
    python tools/bench/frames.py --step          # a whole training step of frame projections instead

`pywt.cwt` is called on the whole batch with the faster of its methods, in float32, as ours, and in float64. It returns complex
coefficients at every sample, ours magnitudes at every hop-th. "By FFTs" is ours where a gradient of the signal is wanted, without
the backward pass. All take turns; before every measured call comes one that is not, so that nobody pays for the memory that the
one before left behind. Windows per second are of the median CPU seconds of this process, and a ratio is the median of the ratios
of single turns. Ratios hold within a run; do not compare seconds between runs.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from audiossl.errors import import_extra
from audiossl.features.frames import Gabor
from audiossl.files import write_json
from audiossl.models.resnet1d import ResNet1d
from audiossl.objectives.frame_projection import FrameProjection, FrameProjectionConfig
from audiossl.objectives.window_batch import WindowBatch

console = Console(width=150)


def seconds_of(run: Callable[[], Any]) -> float:
    """CPU seconds of one call after another one."""
    run()
    begin = time.process_time()
    run()
    return time.process_time() - begin


def compare(channels: int, length: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one shape: PyWavelets in both types, then ours at each hop by either way."""
    pywt = import_extra("pywt", "test")
    signal = np.random.default_rng(0).standard_normal((options.batch, channels, length)).astype(np.float32)
    scales = Gabor().scales(length).numpy()
    ours = torch.from_numpy(signal)
    work: dict[str, Callable[[], Any]] = {}
    for kind in (np.float32, np.float64):
        samples = signal.astype(kind)
        methods: dict[str, Callable[[], Any]] = {
            f"pywt.cwt {method} {kind.__name__}": lambda samples=samples, method=method: pywt.cwt(
                samples, scales, "cmor1-1", method=method
            )
            for method in ("fft", "conv")
        }
        faster = min(methods, key=lambda name: seconds_of(methods[name]))
        work[faster] = methods[faster]
    for hop in options.hops:
        frame = Gabor(hop=hop)
        work[f"Gabor hop {hop}"] = lambda frame=frame: frame(ours)
        wanted = ours.clone().requires_grad_()
        work[f"Gabor hop {hop}, by FFTs"] = lambda frame=frame, wanted=wanted: frame(wanted)

    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.repeats):
        for name, run in work.items():
            times[name].append(seconds_of(run))
    single, double, *_ = times.values()
    return [
        {
            "shape": f"{options.batch} x {channels} x {length}",
            "transform": name,
            "windows_per_second": options.batch / statistics.median(spent),
            "to_pywt_float32": statistics.median(a / b for a, b in zip(single, spent, strict=True)),
            "to_pywt_float64": statistics.median(a / b for a, b in zip(double, spent, strict=True)),
        }
        for name, spent in times.items()
    ]


def compare_steps(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of a training step, forward and backward, of time and Gabor views, with our transform and with PyWavelets' own.

    Both take the same scales, the same precision and the same network on every `hop`-th frame; only where the magnitudes come
    from differs.
    """
    pywt = import_extra("pywt", "test")
    torch.manual_seed(0)
    channels, length = 6, 128
    signal, lengths = torch.randn(options.batch, channels, length), torch.full((options.batch,), length)
    names = [str(i) for i in range(options.batch)]
    batch = WindowBatch(signal, lengths, names, names, 50.0)
    rows = []
    for hop, precision in product(options.hops, options.precisions):
        view = {"mode": "paper", "num_scales": 48, "min_scale": 1.0, "max_scale": 128.0, "hop": hop}
        config = FrameProjectionConfig(views=["time", "gabor"], options={"gabor": view})
        ours = FrameProjection(ResNet1d(channels, 50.0), config)
        scales = Gabor().scales(length).numpy()

        def transform(x: torch.Tensor, sizes: torch.Tensor, hop: int = hop, scales: np.ndarray = scales) -> torch.Tensor:
            coefficients, _ = pywt.cwt(x.numpy(), scales, "cmor1-1", method="fft")
            return torch.from_numpy(np.abs(coefficients[..., ::hop]).astype(np.float32)).permute(1, 2, 0, 3)

        theirs = FrameProjection(ResNet1d(channels, 50.0), config)
        frame: Any = theirs.view_encoders["gabor"]
        frame.frame.forward = transform

        def step(objective: FrameProjection, precision: str = precision) -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = objective(batch).total
            loss.backward()

        turns = [tuple(seconds_of(partial(step, which)) for which in (theirs, ours)) for _ in range(options.repeats)]
        for name, place in ((f"PyWavelets, hop {hop}, {precision}", 0), (f"ours, hop {hop}, {precision}", 1)):
            rows.append(
                {
                    "shape": f"a training step of {options.batch} x {channels} x {length}",
                    "transform": name,
                    "windows_per_second": options.batch / statistics.median(turn[place] for turn in turns),
                    "to_pywt": statistics.median(turn[0] / turn[place] for turn in turns),
                }
            )
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows as a table."""
    table = Table(title=f"windows per second, {rows[0]['shape']}")
    for column in list(rows[0])[1:]:
        table.add_column(column.replace("_", " "), justify="left" if column == "transform" else "right")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else f"{value:.4g}" for value in list(row.values())[1:]))
    console.print(table)


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=["6x128", "1x200"], metavar="CxL", help="channels x samples of a window")
    parser.add_argument("--batch", type=int, default=256, help="windows of a batch")
    parser.add_argument("--hops", nargs="+", type=int, default=[1, 4], metavar="N", help="samples between our frames")
    parser.add_argument("--repeats", type=int, default=7, help="turns")
    parser.add_argument("--step", action="store_true", help="time a training step with either transform")
    parser.add_argument(
        "--precisions", nargs="+", choices=["float32", "bf16"], default=["float32"], help="of the networks of a training step"
    )
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = compare_steps(options) if options.step else []
    if rows:
        show(rows)
    for shape in [] if options.step else options.shapes:
        channels, length = map(int, shape.split("x"))
        new = compare(channels, length, options)
        show(new)
        rows += new
    if options.json:
        about = {"torch": torch.__version__, "cpu": platform.processor(), "capability": torch.backends.cpu.get_cpu_capability()}
        write_json(options.json, {**about, "rows": rows})


if __name__ == "__main__":
    main()
