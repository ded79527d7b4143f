"""What surrounds MTEB: which tasks are meant, what is counted, what is kept; with stand-ins for it and its data sets."""

from __future__ import annotations

import json
import sys
import types
from importlib.machinery import ModuleSpec

import pytest

import audiossl
import audiossl.cli
from audiossl.errors import ConfigError, MissingExtraError
from audiossl.evaluation.results import read_results
from audiossl.kits import mteb_launcher, mteb_runs
from audiossl.kits.mteb_launcher import find_tasks, main, run_tasks
from audiossl.kits.mteb_runs import run_mteb
from audiossl.kits.timbres import CLIPS, TIMBRES, timbre_clips

MINE = """
import types
meta = types.SimpleNamespace(name="a/b", revision=None, loader_kwargs={"model": "logmel", "pooling": "mean"})
"""


class Meta(types.SimpleNamespace):
    """Stands in for MTEB's `ModelMeta`."""


class Task:
    """A task of audio with five test clips, one of them in another subset."""

    modalities = ("audio",)

    def __init__(self):
        self.metadata = types.SimpleNamespace(
            name=type(self).__name__, main_score="accuracy", eval_splits=["test"], modalities=[*self.modalities],
            dataset={"revision": "1"},
        )  # fmt: skip
        self.dataset = None

    def load_data(self):
        self.dataset = {"eng": {"test": [0] * 4, "train": [0] * 9}, "fra": {"test": {"queries": [0], "corpus": [0] * 8}}}

    def unload_data(self):
        self.dataset = None


class WithText(Task):
    modalities = ("audio", "text")


@pytest.fixture
def mteb(monkeypatch, tmp_path):
    """A module of the name with two tasks and a benchmark; it counts how often a task is evaluated."""
    fake = types.ModuleType("mteb")
    known = {"Task": Task, "WithText": WithText}
    fake.AbsTask, fake.evaluated = Task, []
    fake.get_task = lambda name: known[name]()
    fake.get_benchmark = lambda name: types.SimpleNamespace(tasks=[Task()]) if name == "Bench" else known[name]
    fake.ResultCache = str

    def evaluate(model, task, **options):
        fake.evaluated.append(task.metadata.name)
        result = types.SimpleNamespace(get_score=lambda: 0.75, scores={"test": [{"accuracy": 0.75}]})
        return types.SimpleNamespace(task_results=[result])

    fake.evaluate = evaluate
    datasets = types.ModuleType("datasets")
    datasets.Audio = datasets.Dataset = type("Nothing", (), {})
    models = types.ModuleType("mteb.models")
    models.ModelMeta = Meta
    fake.__spec__ = ModuleSpec("mteb", None)
    for name, module in (("mteb", fake), ("mteb.models", models), ("datasets", datasets)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(mteb_launcher, "version", lambda name: "2.0")
    (tmp_path / "mine.py").write_text(MINE)
    return fake


def test_finished_tasks_are_kept(mteb, tmp_path, capsys):
    found = run_tasks(tmp_path / "mine.py", ["Task", "Bench"], tmp_path / "out")
    assert [(one["task"], one["metric"], one["value"], one["n"]) for one in found] == [("Task", "accuracy", 0.75, 5)] * 2
    assert mteb.evaluated == ["Task"] and "Task, 1 of 2" in capsys.readouterr().out
    main([json.dumps({"module": str(tmp_path / "mine.py"), "tasks": ["Task"], "folder": str(tmp_path / "out")})])
    assert mteb.evaluated == ["Task"] and len(json.loads((tmp_path / "out" / "scores.json").read_text())) == 1
    (tmp_path / "mine.py").write_text(MINE.replace("mean", "mean+max"))
    run_tasks(tmp_path / "mine.py", ["Task"], tmp_path / "out")
    assert mteb.evaluated == ["Task", "Task"]


def test_tasks_of_ones_own_and_mistakes(mteb, tmp_path):
    own = tmp_path / "own_tasks.py"
    own.write_text("import mteb\nclass Mine(mteb.AbsTask):\n    pass\n")
    assert [task.metadata.name for task in find_tasks(str(own))] == ["Mine"]
    (tmp_path / "empty.py").write_text("import mteb\n")
    with pytest.raises(ConfigError, match="no class of a task"):
        find_tasks(str(tmp_path / "empty.py"))
    with pytest.raises(ConfigError, match=r"MTEB 2\.0 has no task or benchmark 'Tusk'"):
        find_tasks("Tusk")
    with pytest.raises(ConfigError, match=r"none at .*nowhere\.py"):
        find_tasks(str(tmp_path / "nowhere.py"))
    with pytest.raises(ConfigError, match="audio alone can be run; WithText needs"):
        run_tasks(tmp_path / "mine.py", ["Task", "WithText"], tmp_path / "out")
    assert not mteb.evaluated


def test_the_verb_exports_runs_and_writes_rows(mteb, tmp_path, capsys):
    [row] = audiossl.evaluate("logmel", "mteb", ["Task"], output=tmp_path / "out", name="mine", layers="all")
    assert (row.dataset, row.task, row.model, row.metric, row.value, row.n, row.low) == (
        "Task", "mteb", "mine", "accuracy", 0.75, 5, None,
    )  # fmt: skip
    assert read_results(tmp_path / "out" / "results.json") == [row] and mteb.evaluated == ["Task"]
    assert "'layers': 'all'" in (tmp_path / "out" / "audiossl_mteb.py").read_text()
    assert audiossl.cli.main(["evaluate", "mteb", "logmel", "--tasks", "Tusk", "--out", str(tmp_path / "none")]) == 2
    assert "no task or benchmark 'Tusk'" in capsys.readouterr().err


def test_without_mteb_both_ways_to_it_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(mteb_runs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"audiossl\[mteb\].*audiossl kits make mteb.*--kit"):
        run_mteb(tmp_path / "mine.py", ["Task"], tmp_path / "out")


def test_the_stand_in_has_the_same_clips_every_time():
    clips = timbre_clips("train")
    assert [label for _, label in clips].count(0) == CLIPS["train"] and len(clips) == CLIPS["train"] * len(TIMBRES)
    assert all((one == other).all() for (one, _), (other, _) in zip(clips, timbre_clips("train"), strict=True))
    assert abs(clips[0][0]).max() < 1 and not any((clips[0][0][:4000] == sound[:4000]).all() for sound, _ in timbre_clips("test"))
