"""Training on several ranks, with gloo: the curve is that of one process, also after a rank was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from several_ranks import CONFIG, TwoHeads, batches, train

from audiossl.errors import ConfigError
from audiossl.training.checkpoints import list_checkpoints
from audiossl.training.fit import fit
from audiossl.world import World

TOLERANCE = 1e-5  # float32 sums in another order, after 50 steps


def launch(
    num_ranks: int, out: Path, accumulate: int, dies_at: int = -1, restarts: int = 0, **options: object
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={num_ranks}"]
    command += [f"--max-restarts={restarts}"]
    command += [str(Path(__file__).with_name("several_ranks.py")), str(out), str(accumulate), str(dies_at), json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})


def curve(folder: Path) -> list[dict[str, float]]:
    """Loss and the error of each head, at every step and validation."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["split"] == "train"] == list(range(1, 51)) and rows[-1]["split"] == "validation"
    return [{name: row[name] for name in ("loss", "sin", "cos", "grad_norm", "lr") if name in row} for row in rows]


def assert_same(one: list[dict[str, float]], other: list[dict[str, float]]) -> None:
    assert len(one) == len(other) and one[-1]["loss"] < 0.5 * one[0]["loss"]
    for a, b in zip(one, other, strict=True):
        assert a == pytest.approx(b, abs=TOLERANCE, rel=TOLERANCE)


def test_two_ranks_draw_the_curve_of_one_process(tmp_path):
    """Ranks have unequal weights, and heads without a target on one of them, or in the last of its batches."""
    done = launch(2, tmp_path / "two", 2)
    assert done.returncode == 0, done.stderr
    train(tmp_path / "one", accumulate=4)
    assert_same(curve(tmp_path / "one"), curve(tmp_path / "two"))


@pytest.mark.slow
def test_a_killed_rank_ends_the_run_which_goes_on_with_other_ranks(tmp_path):
    """Four batches a step: on two ranks until one is killed, then on three, of which one has two batches, then on one."""
    run = tmp_path / "run"
    assert launch(2, run, 2, 17).returncode != 0
    assert list_checkpoints(run / "checkpoints")[0].name == "step-00000010.pt"
    assert launch(3, run, 2, 38).returncode != 0
    assert list_checkpoints(run / "checkpoints")[0].name == "step-00000030.pt"
    train(run, accumulate=2)
    train(tmp_path / "one", accumulate=4)
    assert_same(curve(tmp_path / "one"), curve(run))


@pytest.mark.slow
def test_torchrun_starts_a_killed_rank_again(tmp_path):
    done = launch(2, tmp_path / "run", 2, 17, restarts=1)
    assert done.returncode == 0 and "resumed from" in done.stderr, done.stderr
    train(tmp_path / "one", accumulate=4)
    assert_same(curve(tmp_path / "one"), curve(tmp_path / "run"))


def test_accumulate_may_change_where_the_batches_of_a_step_do_not(tmp_path, monkeypatch):
    """As on 2 ranks x 3 and then one process x 6; too many ranks, or other batches a step, are errors."""
    fit(TwoHeads(), batches, replace(CONFIG, accumulate=6, max_steps=3), tmp_path)
    with pytest.raises(ConfigError, match=r"accumulate=6 \(now 3\)"):
        fit(TwoHeads(), batches, replace(CONFIG, accumulate=3), tmp_path)
    monkeypatch.setattr(World, "gather", lambda self, value: [value])
    monkeypatch.setattr(World, "join", classmethod(lambda cls: World(0, 0, 7)))
    with pytest.raises(ConfigError, match="6 batches per step, too few for 7 processes"):
        fit(TwoHeads(), batches, replace(CONFIG, accumulate=6), tmp_path)
    monkeypatch.setattr(World, "join", classmethod(lambda cls: World(0, 0, 2)))
    monkeypatch.setattr(World, "wrap", lambda self, module, device: module)
    monkeypatch.setattr(World, "wait", lambda self: None)
    fit(TwoHeads(), batches, replace(CONFIG, accumulate=3, max_steps=3), tmp_path)
