"""docs/extending.md, screen by screen in a fresh folder: one file of one's own for each kind of thing, written as it stands."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import audiossl
from audiossl.cli import main
from audiossl.errors import ConfigError
from audiossl.evaluation.results import read_results
from audiossl.files import read_jsonl

sys.path.append(os.fspath(Path(__file__).parent / "pipelines" / "own"))
from own_data import write_people
from own_recordings import TINY, write_recordings

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
SCREENS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
SPEECH = [*(word for word in TINY if not word.startswith(("teacher", "student"))), "training.max_steps=1"]
# What is added to the commands of the page, so that they take a second.
SMALL = {
    "spear": [*SPEECH, next(word for word in TINY if word.startswith("student"))],
    "my_hums.yaml": [*TINY, "training.max_steps=1"],
    "semi": ["labels={per_class: [1], shares: [], draws: 1}", "learning.max_steps=2", "models={statistics: {kind: statistics}}",
             "subjects.folds=2", "subjects.valid=1"],
    "simclr": ["training.max_steps=1", "encoder.width=8", "encoder.num_blocks=2", "encoder.dim=8", "task.fractions=[1.0]",
               "subjects.folds=2", "subjects.valid=1"],
}  # fmt: skip
MOST_LINES = 50  # of a screen, code and all


@dataclass(frozen=True)
class Block:
    """A block of code, in `sh`, `python` or `yaml`; `file` is what its first line says that it is."""

    language: str
    text: str

    @property
    def file(self) -> str:
        found = re.match(r"# (\w+\.(?:py|yaml))\n", self.text)
        return found[1] if found else ""


def blocks(title: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```", SCREENS[title], re.M | re.S)]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The fresh folder that one works in, with the data that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("audiossl_file_")]:
        del sys.modules[name]


def follow(title: str, more: list[str] | None = None, *, dry_run: bool = False) -> dict[str, Any]:
    """Write the files of a screen, run its commands and lines; returns the names of the lines."""
    names: dict[str, Any] = {}
    for block in blocks(title):
        if block.file:
            Path(block.file).write_text(block.text)
        elif block.language == "sh":
            for line in block.text.splitlines():
                assert command(f"{line} --dry-run" if dry_run and "--dry-run" not in line else line, more) == 0, line
        else:
            assert block.language == "python", block
            exec(block.text, names)
    return names


def command(line: str, more: list[str] | None = None) -> int:
    """Run a line of a shell in this process."""
    program, *words = shlex.split(line)
    assert program == "audiossl"
    small = (SMALL.get(words[1], []) if more is None else more) if words[0] == "run" else []
    return main([*words, *small])


def scores(run: str) -> dict[str, float]:
    return {row.model: row.value for row in read_results(Path("runs") / run / "results.json") if row.metric == "accuracy"}


def test_the_page_has_a_screen_for_each_row_and_none_is_long():
    rows = re.findall(r"^\| \[(.+?)\]\(#(.+?)\)", PAGE, re.M)
    assert [title.lower() for title in SCREENS] == [said.lower() for said, _ in rows] and len(rows) == 8
    assert all(re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") == anchor for title, anchor in rows)
    lengths = {title: len(screen.strip().splitlines()) for title, screen in SCREENS.items()}
    assert max(lengths.values()) <= MOST_LINES, lengths
    assert "```" not in PAGE[: PAGE.index("## ")], "a block outside of the screens is run by no test"


def test_an_objective(desk, capfd):
    write_people(desk / "people", 4, seconds=10.0)
    follow("An objective")
    run = desk / "runs" / "simclr-people"
    assert set(scores("simclr-people")) == {"simclr", "slow", "statistics", "random"}
    assert "distance" in (run / "model_slow" / "seed1-fold0" / "pretrain" / "metrics.jsonl").read_text()
    assert ">slow<" in (run / "report.html").read_text()

    again = next(block.text for block in blocks("An objective") if block.language == "sh")
    capfd.readouterr()
    assert command(f"{again} --dry-run") == 0
    assert "would run" not in capfd.readouterr().err
    source = desk / "my_objective.py"
    source.write_text(source.read_text() + "\n# changed\n")
    assert command(f"{again} --dry-run") == 0
    said = capfd.readouterr().err
    assert re.search(r"model_slow +would run.*its source", said) and not re.search(r"model_simclr +would run", said)


def test_a_method_for_few_labels(desk):
    write_people(desk / "people", 4, seconds=10.0)
    names = follow("A method for few labels")
    found = {row.model for row in read_results(Path("runs/semi-people/results.json"))}
    assert found == {"supervised", "fixmatch", "softmatch", "simmatch", "sharp", "statistics"}
    assert "agreement" in Path("runs/semi-people/method_sharp/fold0-1_per_class-draw0/metrics.jsonl").read_text()
    assert names["accuracy"] > 0.9


def test_a_teacher(desk, capfd):
    write_recordings(desk, 6)
    names = follow("A teacher, or any encoder")
    assert names["frames"].shape == (25, 16)
    tokens = audiossl.TokenStore.open("tokens")
    assert len(tokens) == 6 and tokens[tokens.cut_ids()[0]].shape == (25, 1)
    assert "padding" in capfd.readouterr().out


def test_an_encoder_to_pre_train_and_whose_code_is_imported(desk):
    write_recordings(desk, 24, seconds=0.3)
    follow("An encoder to pre-train", SPEECH)
    assert audiossl.load("runs/spear-recordings", trust_code="my_student.py:Stacked").dim == 32
    assert set(scores("spear-recordings")) == {"student", "teacher", "logmel", "random"}

    # The run says that its student is this class; nothing of it is imported unless the caller says so.
    for name in [name for name in sys.modules if "my_student" in name]:
        del sys.modules[name]
    source = desk / "my_student.py"
    source.write_text("from pathlib import Path\nPath('was_imported').touch()\n" + source.read_text())
    for place in ("runs/spear-recordings", "runs/spear-recordings/pretrain/student"):
        with pytest.raises(ConfigError, match=r"my_student\.py:Stacked.*nothing was imported.*trust_code"):
            audiossl.load(place)
    assert not Path("was_imported").exists() and not [name for name in sys.modules if "my_student" in name]
    assert audiossl.load("runs/spear-recordings", trust_code=True).dim == 32
    assert Path("was_imported").exists(), "what is trusted is imported, so the test can fail"


def test_a_row_of_a_comparison(desk):
    write_people(desk / "people", 4, seconds=10.0)
    follow("A row of a comparison")
    assert set(scores("simclr-people")) == {"simclr", "moments", "statistics", "random"}
    assert scores("simclr-people")["moments"] > 0.9, "walking has more power"


def test_a_kind_of_task(desk):
    write_recordings(desk, 24, seconds=0.3)
    follow("A kind of task for probes")
    found = scores("spear-recordings")
    assert set(found) == {"student", "teacher", "logmel", "random"} and found["logmel"] > 0.6


def test_an_export(desk, capsys):
    follow("An export")
    assert capsys.readouterr().out.strip() == "weights.npz"
    half, whole = np.load("weights.npz"), np.load("whole.npz")
    assert half.files == whole.files and {half[name].dtype.name for name in half.files} <= {"float16"}
    assert all(np.allclose(half[name], whole[name], rtol=1e-2, atol=1e-2) for name in half.files)


def test_a_data_set(desk, capfd):
    """Laid out and checked; the sides, classes and times are said, and nothing is written."""
    write_recordings(desk, 24, seconds=0.2)
    write_people(desk / "people", 3, seconds=10.0)
    follow("A data set", dry_run=True)
    said = capfd.readouterr()
    assert "18 recordings" in said.out + said.err and "classes of speaker" in said.out + said.err
    assert not Path("runs").exists()


@pytest.mark.slow
def test_a_data_set_is_run(desk):
    write_recordings(desk, 24, seconds=0.3)
    write_people(desk / "people", 3, seconds=10.0)
    follow("A data set")
    rows = read_results(Path("runs/spear-recordings/results.json"))
    assert {row.dataset for row in rows} == {"my_hums"} and {row.task for row in rows} == {"speaker"}
    assert len(read_jsonl(Path("runs/spear-recordings/labels/speaker.jsonl"))) == 18
    assert not Path("runs/frame_projection-people").exists()
