"""An encoder in a file of one's own, from the command line in a fresh folder: check, SUPERB, HEAR, compare, export."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hear_toy_tasks import write_scene_task
from own_encoder import SOURCE
from superb_toy_tasks import write_toy

from audiossl.kits.environments import is_built

pytestmark = pytest.mark.slow
NAME = "myenc.py:MyEncoder"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "myenc.py").write_text(SOURCE)
    write_toy(tmp_path / "superb_tasks" / "who", "KS", settings={"updates": 60})
    write_scene_task(tmp_path / "hear_tasks")
    return tmp_path


@pytest.fixture
def audiossl(folder):
    def run(*arguments: str) -> str:
        variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        # As the console script does, without the working directory on the path.
        command = [sys.executable, "-c", "import sys; sys.path.remove(''); from audiossl.cli import main; sys.exit(main())"]
        ended = subprocess.run([*command, *arguments], cwd=folder, env=variables, text=True, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


def values(path: Path) -> dict[tuple[str, str], tuple[str, float]]:
    return {(row["dataset"], row["metric"]): (row["model"], row["value"]) for row in json.loads(path.read_text())}


def test_check_superb_hear_and_compare(audiossl, folder):
    assert "company in a batch" in audiossl("check", NAME, "--quick", "--json", "found.json")
    assert {finding["status"] for finding in json.loads((folder / "found.json").read_text())} == {"pass"}
    audiossl("evaluate", "superb", NAME, "superb_tasks", "--out", "runs/superb", "--lr", "1e-2")
    assert values(folder / "runs/superb/results.json")["who", "accuracy"] == (NAME, pytest.approx(0.7, abs=0.3))
    audiossl("evaluate", "hear", "myenc:MyEncoder", "hear_tasks", "--name", NAME, "--grid", "faster", "--grid-points", "1")
    name, accuracy = values(folder / "runs" / "hear_myenc.py_MyEncoder" / "results.json")["toy_tones-v1-full", "top1_acc"]
    assert name == NAME and 0 <= accuracy <= 1
    said = audiossl("compare", "runs/superb", "runs/hear_myenc.py_MyEncoder", "--csv", "all.csv")
    assert NAME in said and "SID" not in said
    assert len((folder / "all.csv").read_text().splitlines()) == 4
    assert audiossl("export", "xares", NAME, "--out", "my_encoder.py").strip() == "my_encoder.py"
    made = subprocess.run(
        [sys.executable, "-c", "import my_encoder; print(my_encoder.MyEncoder().output_dim)"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}, text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert made.stdout.strip() == "16"


@pytest.mark.skipif(not is_built("hear"), reason="no environment of heareval: audiossl kits make hear")
@pytest.mark.parametrize("name", [NAME, "myenc:MyEncoder"])
def test_heareval_itself_takes_it(audiossl, folder, name):
    (folder / "mine").mkdir()
    audiossl("evaluate", "hear", name, "hear_tasks", "--out", "runs/kit", "--kit", "--grid", "faster", "--grid-points", "1")
    assert values(folder / "runs/kit/results.json")["toy_tones-v1-full", "top1_acc"][0] == f"{name} (heareval)"


@pytest.mark.skipif(not is_built("s3prl"), reason="no environment of s3prl: audiossl kits make s3prl")
def test_s3prl_itself_takes_it(audiossl, folder):
    audiossl("evaluate", "superb", NAME, "superb_tasks", "--out", "runs/kit", "--kit", "--lr", "1e-2")
    assert values(folder / "runs/kit/results.json")["who", "accuracy"][0] == f"{NAME} (s3prl)"
