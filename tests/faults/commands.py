"""Commands in processes of their own that can be killed; they are forked from a server that has imported torch, for speed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from audiossl.provenance import folder_digests

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["audiossl.cli", "audiossl.pipelines.catalogue", "audiossl.embedding.extract", "audiossl.pipelines.tokenise.folders"]
)
RECIPE = Path(__file__).with_name("toy") / "spear.yaml"
TIMED = {"stage.json", "metrics.jsonl", "quality.json", "report.html"}  # files that hold times and speeds


def run_command(words: Sequence[str], log: Path, before: Callable[[], None] | None) -> None:
    """What the process does: a command of audiossl, with what it prints in a file."""
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    if before is not None:
        before()
    from audiossl.cli import main

    sys.exit(main(list(words)))


@dataclass
class Ended:
    """How a command ended: exit code, or minus the signal; seconds from its start; what it printed."""

    code: int
    seconds: float
    printed: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.printed.splitlines() if line.startswith("audiossl: ")]


def start(words: Sequence[str], log: Path, before: Callable[[], None] | None = None) -> BaseProcess:
    process = CONTEXT.Process(target=run_command, args=(words, log, before))
    process.start()
    return process


def finish(process: BaseProcess, log: Path, begin: float, timeout: float = 120.0) -> Ended:
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"it hangs:\n{log.read_text()}")
    return Ended(process.exitcode, time.monotonic() - begin, log.read_text(errors="replace") if log.exists() else "")


def run(words: Sequence[str], log: Path, before: Callable[[], None] | None = None, timeout: float = 120.0) -> Ended:
    """Run a command to its end."""
    log.unlink(missing_ok=True)
    begin = time.monotonic()
    return finish(start(words, log, before), log, begin, timeout)


def interrupt(words: Sequence[str], log: Path, after: float, how: signal.Signals) -> Ended:
    """Send a signal to a command some seconds after its start; `seconds` are those from then to its end."""
    log.unlink(missing_ok=True)
    process = start(words, log)
    time.sleep(after)
    begin = time.monotonic()
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, how)
    return finish(process, log, begin)


def toy_words(output: Path, data: Path, *more: str) -> list[str]:
    return ["run", str(RECIPE), f"output={output}", f"data_root={data}", *more]


def contents(folder: Path) -> dict[str, str]:
    """Digests of all files but those that hold times; left-overs of an interruption are listed like anything else."""
    return {name: digest for name, digest in folder_digests(folder).items() if Path(name).name not in TIMED}


def losses(output: Path) -> list[tuple[int, float]]:
    """The part of metrics.jsonl that is not about time."""
    lines = (output / "pretrain" / "metrics.jsonl").read_text().splitlines()
    return [(row["step"], row["loss"]) for row in map(json.loads, lines)]
