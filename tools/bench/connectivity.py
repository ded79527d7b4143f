"""Speed of dynamic functional connectivity against a loop of numpy.corrcoef and against nilearn, on one thread.

    python tools/bench/connectivity.py --json connectivity.json
    python tools/bench/connectivity.py --stream 1000      # peak memory of so many runs of 400 x 490

All take the same windows of the same run and return correlation matrices: numpy's and nilearn's in float64, ours in float32 and
float64. nilearn is given all windows as a list, with EmpiricalCovariance. "Products alone" multiply windows that are standardised
already, by torch, oneDNN and NumPy: what is left to gain without a symmetric product. All take turns, each after a call that is
not measured; windows per second are of the median CPU seconds, and a ratio is the median of the ratios of single turns.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before torch and numpy are imported

import argparse
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.covariance import EmpiricalCovariance

from audiossl.errors import import_extra
from audiossl.features.connectivity import dynamic_correlation, window_starts
from audiossl.features.products import product_by_transpose
from audiossl.files import write_json

console = Console(width=120)


def seconds_of(run: Callable[[], Any]) -> float:
    """CPU seconds of one call after another one."""
    run()
    begin = time.process_time()
    run()
    return time.process_time() - begin


def compare(regions: int, volumes: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one shape of runs."""
    connectome = import_extra("nilearn.connectome", "fmri")
    series = np.random.default_rng(0).standard_normal((regions, volumes))
    single, double = torch.from_numpy(series).float(), torch.from_numpy(series)
    starts = window_starts(volumes, options.window, options.stride)

    def by_numpy() -> np.ndarray:
        return np.stack([np.corrcoef(series[:, start : start + options.window]) for start in starts])

    def by_nilearn() -> np.ndarray:
        measure = connectome.ConnectivityMeasure(
            EmpiricalCovariance(store_precision=False), kind="correlation", standardize=False
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return measure.fit_transform([series[:, start : start + options.window].T for start in starts])

    windows = single.unfold(-1, options.window, options.stride).movedim(-2, -3)
    windows = torch.nn.functional.normalize(windows - windows.mean(-1, keepdim=True), dim=-1).contiguous()
    rows = windows.numpy()

    work: dict[str, Callable[[], Any]] = {
        "numpy loop": by_numpy,
        "nilearn": by_nilearn,
        "ours, float64": lambda: dynamic_correlation(double, options.window, options.stride),
        "ours, float32": lambda: dynamic_correlation(single, options.window, options.stride),
        "products alone, torch": lambda: windows @ windows.mT,
        "products alone, oneDNN": lambda: torch.stack([product_by_transpose(one, one) for one in windows]),
        "products alone, NumPy": lambda: rows @ rows.swapaxes(1, 2),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.repeats):
        for name, run in work.items():
            times[name].append(seconds_of(run))
    return [
        {
            "shape": f"{regions} x {volumes}",
            "by": name,
            "windows_per_second": len(starts) / statistics.median(spent),
            "to_numpy": statistics.median(a / b for a, b in zip(times["numpy loop"], spent, strict=True)),
            "to_nilearn": statistics.median(a / b for a, b in zip(times["nilearn"], spent, strict=True)),
        }
        for name, spent in times.items()
    ]


def stream(count: int, options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of the process, GiB, after the first ten runs and after all of them."""
    peaks, draws = {}, np.random.default_rng(0)
    for number in range(count):
        run = torch.from_numpy(draws.standard_normal((400, 490), dtype=np.float32))
        dynamic_correlation(run, options.window, options.stride)
        if number in (9, count - 1):
            peaks[f"after_{number + 1}"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return peaks


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shapes = ["7x1200", "17x1200", "94x1200", "400x490"]
    parser.add_argument("--shapes", nargs="+", default=shapes, metavar="NxT", help="regions x volumes")
    parser.add_argument("--window", type=int, default=50, help="volumes")
    parser.add_argument("--stride", type=int, default=16, help="volumes")
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    parser.add_argument("--stream", type=int, metavar="RUNS", help="stream runs and report memory instead")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.stream:
        console.print(stream(options.stream, options))
        return
    rows: list[dict[str, Any]] = []
    for shape in options.shapes:
        regions, volumes = map(int, shape.split("x"))
        rows += compare(regions, volumes, options)
    table = Table(title=f"windows of {options.window} volumes, stride {options.stride}")
    for column in rows[0]:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else f"{value:.4g}" for value in row.values()))
    console.print(table)
    if options.json:
        write_json(options.json, {"torch": torch.__version__, "rows": rows})


if __name__ == "__main__":
    main()
