"""CPU time of exported graphs in ONNX Runtime against the same encoders in torch, on one thread, in turns.

    python tools/bench/onnx_speed.py --models tiny base --seconds 10 30 --json onnx_speed.json

Weights are random; graphs are those of `audiossl export onnx`, waveforms in and the final output out, float32. Times are the
median of CPU seconds of this process per second of audio, ratios the median of the ratios of a turn, ONNX Runtime over torch:
they hold within a run. (A file called onnx.py here would hide the package of that name.)
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import audiossl
from audiossl.files import read_json, write_json
from audiossl.models import Zipformer

console = Console(width=120)
RATE = 16000


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


def rows_of(preset: str, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Export a preset, and run it in both."""
    torch.manual_seed(0)
    model = Zipformer.from_preset(preset).eval()
    begin = time.process_time()
    path = audiossl.export(model, "onnx", folder / f"{preset}.onnx", precision=options.precision)
    exporting = time.process_time() - begin
    report = read_json(path.with_suffix(".parity.json"))
    console.print(f"{preset}: exported in {exporting:.0f} CPU s; {report['summary']}")
    graph, rows = audiossl.load(f"onnx:{path}").encoder, []
    for seconds in options.seconds:
        clip, lengths = 0.1 * torch.randn(1, 1, round(seconds * RATE)), torch.tensor([round(seconds * RATE)])
        with torch.no_grad():
            spent = in_turns({"torch": lambda: model(clip, lengths), "onnx": lambda: graph(clip, lengths)}, options.repeats)  # noqa: B023
        ratios = [one / other for one, other in zip(spent["onnx"], spent["torch"], strict=True)]
        row = {"preset": preset, "seconds": seconds, "precision": options.precision, "ratio": statistics.median(ratios)}
        row |= {f"{name}_cpu_s_per_audio_s": statistics.median(times) / seconds for name, times in spent.items()}
        rows.append(row | {"ratios": ratios, "export_cpu_s": exporting, "max_error": report["relative_error"]})
    return rows


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["tiny", "base"], metavar="PRESET", help="presets of the Zipformer")
    parser.add_argument("--seconds", nargs="+", type=float, default=[10, 30], metavar="S", help="lengths of the clips")
    parser.add_argument("--precision", default="float32", help="float32, float16 or int8")
    parser.add_argument("--repeats", type=int, default=7, help="turns")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for preset in options.models for row in rows_of(preset, Path(folder), options)]
    table = Table("preset", "seconds", "torch, CPU s per s", "ONNX Runtime", "ratio", title=f"{options.precision}, one thread")
    for row in rows:
        cost = [f"{row[f'{name}_cpu_s_per_audio_s']:.4f}" for name in ("torch", "onnx")]
        table.add_row(row["preset"], f"{row['seconds']:g}", *cost, f"{row['ratio']:.2f}")
    console.print(table)
    if options.json:
        write_json(options.json, {"torch": torch.__version__, "cpu": platform.processor(), "rows": rows})


if __name__ == "__main__":
    main()
