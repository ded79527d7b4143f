"""DDP and FSDP2 on all devices of the machine: losses against one process, speed and memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from gpu_parts.setting import Rows, Setting
from gpu_parts.synthetic import losses_of

SCRIPT = Path(__file__).with_name("on_ranks.py")
BOUND = 2e-3  # relative, of losses in float32


def launch(out: Path, ranks: int, parallel: str, **options: Any) -> dict[str, float]:
    """Train on so many ranks; what the first of them measured.

    Raises:
        RuntimeError: if a rank fails, with its last words.
    """
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", str(SCRIPT)]
    command += [str(out), json.dumps({"parallel": parallel, "accumulate": 1, **options})]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line] or done.stderr.splitlines()[-1:]
        raise RuntimeError(lines[0] if lines else f"exit code {done.returncode}")
    return json.loads((out / "measured.json").read_text(encoding="utf-8"))


def measure(setting: Setting) -> list[dict[str, object]]:
    """A curve in float32 against that of one process, and the pace in bf16 on GPUs."""
    rows, is_cuda = Rows(), setting.device.type == "cuda"
    ranks = torch.cuda.device_count() if is_cuda else 2
    rows.add("ranks", "number", float(ranks), "" if ranks > 1 else "one device: nothing to share")
    kind, small = setting.device.type, setting.size("tiny", "narrow")
    same = {"preset": small, "steps": setting.size(20, 2), "seconds": setting.size(20.0, 1.0), "precision": "float32"}
    with rows.attempt("one process"):
        launch(setting.work / "one", 1, "ddp", device=kind, **{**same, "accumulate": ranks})
    for parallel in ("ddp", "fsdp") if ranks > 1 else ():
        with rows.attempt(parallel):
            launch(setting.work / parallel, ranks, parallel, device=kind, **same)
            pairs = zip(losses_of(setting.work / parallel), losses_of(setting.work / "one"), strict=True)
            rows.bound(parallel, "losses against one process, float32", max(abs(a / b - 1) for a, b in pairs), BOUND)
    for preset in ("base", "large") if is_cuda and not setting.short else ():
        options = {"preset": preset, "steps": 40, "seconds": 200.0, "precision": "bf16", "device": kind}
        for parallel, count in (("ddp", 1), ("ddp", ranks), ("fsdp", ranks)) if ranks > 1 else (("ddp", 1),):
            case = f"{preset}, {parallel}, {count} ranks" if count > 1 else f"{preset}, 1 rank"
            with rows.attempt(case):
                for name, value in launch(setting.work / "pace", count, parallel, **options).items():
                    rows.add(case, name, value)
    return rows.rows
