"""Everything that is worth measuring on a machine with a GPU, by one command that can be interrupted and started again.

    python tools/bench/gpu.py --out gpu                      # all parts, in the order of --list
    python tools/bench/gpu.py --out gpu --parts encoders teacher
    python tools/bench/gpu.py --out gpu --again encoders     # a part that ended is not repeated otherwise
    python tools/bench/gpu.py --out gpu --device cpu --short # as the tests do

`rows.jsonl` in the folder gets a line as each part ends: its rows, with the device, the commit and the command. `page.md` is made
of it, with the goals that are met and missed. A part whose packages are missing, or that fails, says so in its rows, and the
others run.
`tools/bench/gpu_wheels.py` lists the wheels that a bare machine needs. Weights are random, recordings are made when they are
needed, nothing is fetched. Times are medians until the device is done, after turns that do not count.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from gpu_parts.page import page_of
from gpu_parts.peak import name_of
from gpu_parts.setting import Setting
from rich.console import Console

from audiossl.files import read_jsonl, whole_file, write_jsonl
from audiossl.provenance import versions

console = Console(width=150, stderr=True)
PARTS = {
    "peak": "Products: what the device can do at most",
    "equality": "Results on the device against those of the CPU",
    "features": "Log-mel, Gabor frames, dynamic connectivity",
    "encoders": "Forward pass and training step, bf16, next to WavLM and HuBERT of transformers",
    "quantisers": "Multi-codebook quantiser, next to multi_quantization",
    "teacher": "FLAC files to tokens and embeddings, with a teacher of the shape of WavLM Large",
    "pretraining": "Pre-training from FLAC files",
    "ranks": "DDP and FSDP2",
}


def ended_parts(path: Path, device: str, short: bool) -> dict[str, dict[str, Any]]:
    """What each part measured last, by name.

    Raises:
        SystemExit: if the file is of another device, or of the other form.
    """
    found = {row["part"]: row for row in read_jsonl(path)} if path.is_file() else {}
    others = {(row["about"]["device"], row["about"]["short"]) for row in found.values()} - {(device, short)}
    if others:
        held, was_short = next(iter(others))
        form = "short form" if was_short else "full form"
        raise SystemExit(f"{path} holds rows of {held} ({form}); this is {device}: choose another --out")
    return found


def run_part(name: str, setting: Setting) -> tuple[list[dict[str, Any]], float]:
    """Rows of a part, and its seconds; an error becomes a row."""
    begin = time.perf_counter()
    setting.work.mkdir(parents=True, exist_ok=True)
    try:
        rows = importlib.import_module(f"gpu_parts.{name}").measure(setting)
    except Exception as error:  # the other parts can still be measured
        console.print(traceback.format_exc(), markup=False, highlight=False)
        rows = [{"case": name, "metric": "failed", "value": None, "note": f"{type(error).__name__}: {error}"[:200]}]
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
    return rows, time.perf_counter() - begin


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"), help="folder of rows, page and working files")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--again", nargs="+", choices=list(PARTS), default=[], metavar="PART", help="measure these once more")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--short", action="store_true", help="sizes of a test")
    parser.add_argument("--repeats", type=int, default=5, help="measured turns")
    parser.add_argument("--list", action="store_true", help="list the parts")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts that have not ended yet; 1 if anything failed or lies beyond its bound."""
    options = parse(arguments)
    if options.list:
        print("\n".join(f"{name:12} {title}" for name, title in PARTS.items()))
        return 0
    device = torch.device(options.device)
    path, command = options.out / "rows.jsonl", " ".join(["python tools/bench/gpu.py", *(arguments or sys.argv[1:])])
    about = {"device": name_of(device), "kind": device.type, "short": options.short, "command": command, **versions()}
    about |= {"cuda": torch.version.cuda, "cores": os.cpu_count()}
    ended = ended_parts(path, about["device"], options.short)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.again or options.parts:
        if name in ended and not options.again:
            console.print(f"{name}: measured before (--again {name} repeats it)")
            continue
        console.print(f"{name}: {PARTS[name]}")
        rows, seconds = run_part(name, Setting(device, options.short, options.out / "work" / name, options.repeats))
        ended[name] = {"part": name, "about": about, "seconds": seconds, "rows": rows}
        write_jsonl(path, list(ended.values()))
        with whole_file(options.out / "page.md") as partial:
            partial.write_text(page_of(ended, PARTS), encoding="utf-8")
    text = page_of(ended, PARTS)
    print(text)
    if device.type != "cuda" or options.short:
        console.print("the goals are judged on a GPU, in the full form")
    wrong = [row for part in ended.values() for row in part["rows"] if _is_wrong(row)]
    for row in wrong:
        console.print(f"{row['case']}, {row['metric']}: {row['value']} {row['note']}", style="red", markup=False)
    return int(bool(wrong))


def _is_wrong(row: dict[str, Any]) -> bool:
    return row["metric"] == "failed" or str(row.get("note", "")).startswith("BEYOND")


if __name__ == "__main__":
    raise SystemExit(main())
