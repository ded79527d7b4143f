"""Three stages of which the middle one runs on all ranks, under the command line; what goes wrong is chosen by argument."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from audiossl import cli
from audiossl.errors import DataError
from audiossl.recipe import Stage, run_stages
from audiossl.verbs import run as verb
from audiossl.world import World


def run(output: Path, wrong: str) -> None:
    """Each stage notes the ranks it ran on, one file a rank."""

    def noting(name: str):
        def stage(out: Path, inputs) -> None:
            rank = World.join().rank
            (out / f"rank{rank}").write_text("again" if (out / f"rank{rank}").exists() else "once")
            match wrong, name, rank:
                case ("error on one", "middle", 1) | ("error on all", "middle", _):
                    raise DataError("the disk is full")
                case "bug on one", "middle", 1:
                    raise RuntimeError("a bug")
                case "killed", "middle", 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                case "error at the end", "last", _:
                    raise DataError("the disk is full")
            if name == "middle":
                World.join().wait()
            if name == "first":
                time.sleep(0.5)

        return stage

    stages = [
        Stage("first", noting("first"), 1),
        Stage("middle", noting("middle"), 1, ("first",), resumable=True, every_rank=True),
        Stage("last", noting("last"), 1, ("middle",)),
    ]
    run_stages(stages, output)


if __name__ == "__main__":
    verb.run = lambda *_, **__: run(Path(sys.argv[1]), sys.argv[2])
    sys.exit(cli.main(["run", "toy.yaml"]))
