"""The asterisk recipe on real prompts: a smoke run from packages to report, and what an interruption leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audiossl.cli import main

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "asterisk" / "spear.yaml"
SMALL = [
    "limit=60", "training.max_steps=6", "training.batch_seconds=20", "training.validate_every=3", "training.checkpoint_every=2",
    "quantiser.fit_frames=4000", "quantiser.codebook_size=16", "quantiser.num_codebooks=4", "evaluation.bootstrap=50",
    'student.overrides={"encoder_dim": [64, 64, 64, 64, 64], "feedforward_dim": [96, 96, 96, 96, 96]}',
]  # fmt: skip
STAGES = ["corpus", "labels", "quantiser", "token_quality", "tokens", "pretrain", "embed", "evaluate", "report"]


def test_smoke_run(prompts, tmp_path, capsys):
    output = tmp_path / "run with space"
    assert main(["run", str(RECIPE), f"output={output}", *SMALL]) == 0
    rows = json.loads((output / "results.json").read_text())
    assert {row["task"] for row in rows} == {"frame_phones", "words"}
    assert {row["model"] for row in rows} == {"student", "teacher", "logmel", "random"}
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 and row["n"] > 0 for row in rows)
    phones = {row["model"]: row for row in rows if (row["task"], row["metric"]) == ("frame_phones", "accuracy")}
    assert len({row["n"] for row in phones.values()}) == 1
    assert phones["teacher"]["value"] > 0.3  # far above the majority class even with 60 prompts
    page = (output / "report.html").read_text()
    assert "<audio" in page and page.count("<img") + page.count("<svg") >= 5
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == sorted(STAGES)

    assert main(["run", str(RECIPE), f"output={output}", *SMALL]) == 0
    assert "all stages are up to date" in capsys.readouterr().err

    assert main(["embed", str(output), str(output / "corpus"), "--out", str(tmp_path / "store"), "--pool", "mean"]) == 0
    assert (tmp_path / "store" / "store.json").is_file()


@pytest.mark.slow
def test_empty_prompt_is_rejected_by_name(prompts, tmp_path):
    assert main(["run", str(RECIPE), f"output={tmp_path}", "--to", "corpus"]) == 0
    rejected = [json.loads(line) for line in (tmp_path / "corpus" / "corpus" / "rejected.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rejected] == ["ru/is"]


@pytest.mark.slow
def test_killed_pretraining_ends_as_if_it_never_was(prompts, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(["run", str(RECIPE), f"output={whole}", *SMALL, "--to", "pretrain"]) == 0
    shutil.copytree(whole, killed)
    shutil.rmtree(killed / "pretrain")
    command = ["run", str(RECIPE), f"output={killed}", *SMALL, "--to", "pretrain"]
    script = (
        "import os, sys\n"
        "from audiossl.objectives.masked_tokens import MaskedTokens\n"
        "calls, forward = [], MaskedTokens.forward\n"
        "def dying(self, batch):\n"
        "    calls.append(self.training)\n"
        "    if sum(calls) == 4: os.kill(os.getpid(), 9)\n"
        "    return forward(self, batch)\n"
        "MaskedTokens.forward = dying\n"
        f"from audiossl.cli import main\nsys.exit(main({command!r}))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert not (killed / "pretrain").exists()
    assert main(command) == 0
    weights = [(run / "pretrain" / "student" / "model.safetensors").read_bytes() for run in (whole, killed)]
    assert weights[0] == weights[1]


def pretrain_on_two_ranks(output: Path, prepared: Path, *options: str) -> list[tuple[str, int, float]]:
    """Pre-train after the stages of another run; the loss curve."""
    for stage in STAGES[: STAGES.index("pretrain")]:
        shutil.copytree(prepared / stage, output / stage)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "audiossl"]
    command = [*launch, "run", str(RECIPE), f"output={output}", *options, "--to", "pretrain"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"tokens +up to date", done.stderr)) == len(re.findall(r"pretrain +done", done.stderr)) == 1
    return loss_curve(output)


def loss_curve(output: Path) -> list[tuple[str, int, float]]:
    rows = map(json.loads, (output / "pretrain" / "metrics.jsonl").read_text().splitlines())
    return [(row["split"], row["step"], row["loss"]) for row in rows]


def assert_same_curve(one: list[tuple[str, int, float]], other: list[tuple[str, int, float]]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a[:2] == b[:2] and abs(a[2] - b[2]) < 1e-4


@pytest.mark.slow
def test_two_processes_draw_the_loss_curve_of_one(prompts, tmp_path):
    """50 steps of two batches, on one process and on 2 by torchrun, which hold the whole model each or half of it."""
    options = [*SMALL, "training.max_steps=50", "training.log_every=1", "training.batch_seconds=12"]
    one = tmp_path / "one"
    assert main(["run", str(RECIPE), f"output={one}", *options, "training.accumulate=2", "--to", "pretrain"]) == 0
    assert len(loss_curve(one)) == 50 + 17  # validated every third step, and after the last
    for parallel in ("ddp", "fsdp"):
        both = pretrain_on_two_ranks(tmp_path / parallel, one, *options, f"training.parallel={parallel}")
        assert_same_curve(loss_curve(one), both)
    weights = [load_file(tmp_path / name / "pretrain" / "student" / "model.safetensors") for name in ("ddp", "fsdp")]
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_training_devices_act_alike_where_the_model_is_shared_out(prompts, tmp_path):
    """Ranks draw their own skips, so that they use different parts of a layer."""
    options = [*SMALL, "training.max_steps=12", "training.log_every=1", "student.devices.enabled=true"]
    assert main(["run", str(RECIPE), f"output={tmp_path / 'one'}", *options, "--to", "tokens"]) == 0
    curves = [
        pretrain_on_two_ranks(tmp_path / parallel, tmp_path / "one", *options, f"training.parallel={parallel}")
        for parallel in ("ddp", "fsdp")
    ]
    assert_same_curve(*curves)
