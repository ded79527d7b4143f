"""Stages under torchrun: which rank runs what, and what is left and said when a rank fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def launch(output: Path, wrong: str = "nothing") -> tuple[int, list[str]]:
    """Run the stages on two ranks; the exit code and what they, not torchrun, wrote."""
    command = [*LAUNCH, str(Path(__file__).with_name("stages_on_ranks.py")), str(output), wrong]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=100)
    return done.returncode, done.stderr.split("torch/distributed/elastic")[0].splitlines()


def ranks(output: Path) -> dict[str, list[str]]:
    """The ranks that each folder of the output heard of."""
    return {folder.name: sorted(path.name for path in folder.glob("rank*")) for folder in sorted(output.iterdir())}


def test_only_every_rank_stages_run_on_all(tmp_path):
    code, lines = launch(tmp_path)
    assert code == 0
    assert ranks(tmp_path) == {"first": ["rank0"], "middle": ["rank0", "rank1"], "last": ["rank0"]}
    assert [line.split()[:2] for line in lines] == [
        [name, word] for name in ("first", "middle", "last") for word in ("running", "done")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["error on one", "error on all", "bug on one", "killed"])
def test_a_failing_rank_ends_all_and_the_run_goes_on(tmp_path, wrong):
    code, lines = launch(tmp_path, wrong)
    assert code != 0
    assert ranks(tmp_path) == {".middle.partial": ["rank0", "rank1"], "first": ["rank0"]}
    said = [line for line in lines if "audiossl: " in line or ("a bug" in line and "raise" not in line)]
    assert said == {"killed": [], "bug on one": ["[rank1]: RuntimeError: a bug"]}.get(wrong, ["audiossl: the disk is full"])
    assert launch(tmp_path)[0] == 0
    assert (tmp_path / "middle" / "rank1").read_text() == "again"


@pytest.mark.slow
def test_an_error_of_the_first_rank_ends_those_that_wait(tmp_path):
    code, lines = launch(tmp_path, "error at the end")
    assert code != 0 and [line for line in lines if line.startswith("audiossl: ")] == ["audiossl: the disk is full"]
    assert set(ranks(tmp_path)) == {"first", "middle", ".last.partial"}
    code, lines = launch(tmp_path)
    assert code == 0 and [line.split()[1:3] for line in lines[:3]] == [["up", "to"], ["up", "to"], ["running"]]
