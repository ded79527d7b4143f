"""Speed of our Gabor transform against PyWavelets on the 48 scales of arXiv 2510.22655, on one thread.

    python tools/bench/frames.py --json frames.json
    python tools/bench/frames.py --shapes 1x480 --hops 1 4 16

`pywt.cwt` is called on the whole batch, once with each of its methods; the faster one then takes turns with ours. It gets float32, as ours does, and float64 in rows of its own; it returns complex coefficients at every sample,
ours magnitudes at every hop-th. Times are medians of CPU seconds of this process; a ratio is the median of the ratios of single
turns. Ratios hold within a run; do not compare seconds between runs. Our filters are made before the first measured turn.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from audiossl.errors import import_extra
from audiossl.features.frames import Gabor
from audiossl.files import write_json

console = Console(width=150)


def seconds_of(run: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def compare(channels: int, length: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one shape: PyWavelets in both types, then ours at each hop and with gradients to the signal."""
    pywt = import_extra("pywt", "test")
    signal = np.random.default_rng(0).standard_normal((options.batch, channels, length)).astype(np.float32)
    scales = Gabor().scales(length).numpy()
    ours = torch.from_numpy(signal)
    double = signal.astype(np.float64)

    methods = {
        method: seconds_of(lambda method=method: pywt.cwt(signal, scales, "cmor1-1", method=method)) for method in ("fft", "conv")
    }
    method = min(methods, key=lambda name: methods[name])
    work: dict[str, Callable[[], Any]] = {
        f"pywt.cwt {method} float32": lambda: pywt.cwt(signal, scales, "cmor1-1", method=method),
        f"pywt.cwt {method} float64": lambda: pywt.cwt(double, scales, "cmor1-1", method=method),
    }
    for hop in options.hops:
        frame = Gabor(hop=hop)
        work[f"Gabor hop {hop}"] = lambda frame=frame: frame(ours)
        wanted = ours.clone().requires_grad_()
        work[f"Gabor hop {hop}, by FFTs"] = lambda frame=frame, wanted=wanted: frame(wanted)

    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(options.repeats + 1):
        for name, run in work.items():
            seconds = seconds_of(run)
            if turn:
                times[name].append(seconds)
    single, double_times = times[f"pywt.cwt {method} float32"], times[f"pywt.cwt {method} float64"]
    return [
        {
            "shape": f"{options.batch} x {channels} x {length}",
            "transform": name,
            "windows_per_second": options.batch / statistics.median(spent),
            "to_pywt_float32": statistics.median(a / b for a, b in zip(single, spent, strict=True)),
            "to_pywt_float64": statistics.median(a / b for a, b in zip(double_times, spent, strict=True)),
        }
        for name, spent in times.items()
    ]


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
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for shape in options.shapes:
        channels, length = map(int, shape.split("x"))
        new = compare(channels, length, options)
        show(new)
        rows += new
    if options.json:
        about = {"torch": torch.__version__, "cpu": platform.processor(), "capability": torch.backends.cpu.get_cpu_capability()}
        write_json(options.json, {**about, "rows": rows})


if __name__ == "__main__":
    main()
