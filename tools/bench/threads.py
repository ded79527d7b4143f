"""Speed of a training step by number of threads and way of waiting, on a quiet machine and next to busy processes.

    python tools/bench/threads.py --json threads.json

Each cell is a process of its own that trains the tiny Zipformer on noise (batches of 20 clips of 1.5 s, mean square of the
output) for `--seconds`; a busy process is a Python loop. Threads of OpenMP that wait for work spin (`active`, the default), or
sleep after so many spins. Run it alone: other work on the machine counts as busy.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from audiossl.files import write_json

STEP = """
import time, torch
from audiossl.models import Zipformer
if THREADS: torch.set_num_threads(THREADS)
model = Zipformer.from_preset("tiny").train()
optimiser = torch.optim.AdamW(model.parameters())
clip, lengths = torch.randn(20, 1, 24000), torch.full((20,), 24000)
def step():
    optimiser.zero_grad()
    model(clip, lengths).last.square().mean().backward()
    optimiser.step()
for _ in range(2): step()
begin, steps = time.perf_counter(), 0
while time.perf_counter() - begin < SECONDS or steps < 2:
    step()
    steps += 1
print(steps * 30 / (time.perf_counter() - begin))
"""


def speed(threads: int, spins: str, busy: int, seconds: float) -> float:
    """Measure one cell: audio seconds trained a second, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "MKL_"))}
    waiting = {} if spins == "active" else {"GOMP_SPINCOUNT": spins}
    environment |= {"OMP_WAIT_POLICY": "PASSIVE" if waiting else "ACTIVE"} | waiting
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        text = STEP.replace("THREADS", str(threads)).replace("SECONDS", str(seconds))
        done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    return float(done.stdout)


def main() -> None:
    """Measure and print all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spins", nargs="+", default=["active", "0", "300", "1000", "3000"], metavar="N", help="before sleep")
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="how many busy processes")
    parser.add_argument("--seconds", type=float, default=6, help="of each cell")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to this file as well")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    table = Table(title=f"tiny Zipformer, training, {cores} cores, {platform.machine()}: audio seconds a second")
    for title in ("threads", "spins", *(f"{busy} busy" for busy in options.busy)):
        table.add_column(title, justify="right")
    rows = []
    for threads, spins in [(1, "0"), *((cores, spins) for spins in options.spins)]:
        found = {str(busy): round(speed(threads, spins, busy, options.seconds), 1) for busy in options.busy}
        rows.append({"threads": threads, "spins": spins, "audio_seconds_per_second": found})
        table.add_row(str(threads), spins, *map(str, found.values()))
    Console(width=100).print(table)
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
