"""A student, an objective, a probe and a task of fine-tuning from outside the package, by one file and `my_kinds:Class`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiossl.errors import ConfigError
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.catalogue import run_pipeline

PREPARE = """
from audiossl.files import write_jsonl
from audiossl.signals.corpora.corpus import Item, build_corpus


def prepare_corpus(out, data_root, limit):
    wavs = sorted(data_root.glob("*.wav"))
    build_corpus([Item(wav.stem, wav, custom={"tone": wav.stem[:1]}) for wav in wavs], out, progress=False)


def prepare_labels(out, corpus, data_root, limit):
    rows = [{"id": item.id, "label": item.custom["tone"]} for item in corpus]
    write_jsonl(out / "tones.jsonl", rows)
    write_jsonl(out / "labels.jsonl", rows)
    write_jsonl(out / "left_out.jsonl", [])
"""
KINDS = '''
from dataclasses import dataclass, replace

import torch
from torch import nn

from audiossl.evaluation.clip_task import ClipTask
from audiossl.evaluation.intervals import rate_interval
from audiossl.evaluation.results import ResultRow
from audiossl.files import read_json, read_jsonl, write_json
from audiossl.models.encoder import Frames
from audiossl.objectives.loss import Loss
from audiossl.objectives.masked_features import MaskedFeatures
from audiossl.objectives.tuned_encoder import TunedObjective, TuningConfig
from audiossl.options import read_options
from audiossl.pipelines.finetune.task import FinetuneTask


@dataclass
class Sizes:
    dim: int = 8


class MyStudent(nn.Module):
    """Means of 20 ms, as features and as frames."""

    sample_rate, frame_rate, last_frame_rate, frame_offset = 16000.0, 50.0, 50.0, 0.01
    num_layers, min_samples, alignment, num_mel_bins = 1, 320, 320, 4

    def __init__(self, config: Sizes | None = None):
        super().__init__()
        self.config = config or Sizes()
        self.dim = self.config.dim
        self.linear = nn.Linear(8, self.dim)

    def compute_features(self, signal, lengths):
        return signal[:, 0].unfold(1, 160, 160).unflatten(2, (4, 40)).abs().mean(3), lengths // 160

    def forward_features(self, features, lengths):
        pairs = features[:, : features.shape[1] // 2 * 2].unflatten(1, (-1, 2)).flatten(2)
        return Frames.from_layers([self.linear(pairs)], lengths // 2)

    def forward(self, signal, lengths):
        return self.forward_features(*self.compute_features(signal, lengths))


@dataclass
class Louder:
    by: float = 1.0


class MyObjective(MaskedFeatures):
    """The features, with a louder loss."""

    @classmethod
    def from_streams(cls, student, streams, config):
        made = cls(student, student.num_mel_bins, config)
        made.options = read_options(Louder, config.options, "objective.options")
        return made

    def forward(self, batch):
        loss = super().forward(batch)
        return replace(loss, total=loss.total * self.options.by)


class MyTask(ClipTask):
    """Clips, read from the first layer alone."""

    def score(self, model, store, readout):
        outcome, detail = super().score(model, store, replace(readout, knn=False))
        return outcome, replace(detail, number="mine")


class Head(TunedObjective):
    """One number for each clip."""

    def __init__(self, encoder, size, config):
        super().__init__(encoder, config)
        self.head = nn.ModuleDict({"output": nn.Linear(encoder.dim, size)})

    def logits(self, batch):
        frames, lengths = self.encoder(batch)
        return self.head["output"](frames.mean(1))[:, 0]

    def forward(self, batch):
        error = nn.functional.binary_cross_entropy_with_logits(self.logits(batch), batch.targets[:, 0], reduction="sum")
        return Loss(error, float(len(batch.ids)))

    @torch.no_grad()
    def predict(self, batch):
        return [[float(value)] for value in self.logits(batch)]


@dataclass
class MyConfig(TuningConfig):
    note: str = ""


@dataclass(frozen=True)
class Tones(FinetuneTask):
    """Which of two tones a clip is."""

    truth: dict
    title = "tones"
    options = MyConfig
    size = 1

    @classmethod
    def write_labels(cls, out, corpus, sides, source, options):
        source.prepare_labels(out, corpus)

    @classmethod
    def open(cls, folder):
        return cls({row["id"]: row["label"] for row in read_jsonl(folder / "labels.jsonl")})

    @classmethod
    def open_outputs(cls, folder):
        return read_json(folder / "tones.json")

    def save_outputs(self, folder):
        write_json(folder / "tones.json", ["a", "b"])

    def target(self, id_):
        return torch.tensor([float(self.truth[id_] == "b")])

    @classmethod
    def make_objective(cls, encoder, size, options):
        return Head(encoder, size, options)

    def answer(self, said):
        return "ab"[said[0] > 0]

    def score(self, items, answers):
        groups = sorted(set(items.groups.values()))
        rows = []
        for name, answer in answers.items():
            right, total = torch.zeros(len(groups)).double(), torch.zeros(len(groups)).double()
            for id_ in items.ids:
                right[groups.index(items.groups[id_])] += answer[id_] == self.truth[id_]
                total[groups.index(items.groups[id_])] += 1
            found = rate_interval(right, total)
            rows.append(ResultRow.of(items.dataset, items.task, name, "accuracy", found, len(items.ids)))
        return rows, {}
'''
QUICK = [
    "training.max_steps=2", "training.batch_seconds=4", "training.device=cpu", "training.tensorboard=false",
    "training.validate_every=0", "training.health_frames=0",
]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with recordings of two tones, a prepare script and the kinds, which one works in."""
    (tmp_path / "data").mkdir()
    draws = np.random.default_rng(0)
    for number in range(24):
        name, hz = ("a", 300) if number % 2 else ("b", 1200)
        signal = 0.3 * np.sin(2 * np.pi * hz * np.arange(6400) / 16000) + draws.normal(0, 0.01, 6400)
        soundfile.write(tmp_path / "data" / f"{name}{number:02d}.wav", signal, 16000)
    (tmp_path / "prepare.py").write_text(PREPARE)
    (tmp_path / "my_kinds.py").write_text(KINDS)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("my_kinds", None)


def test_a_student_an_objective_and_a_probe_of_ones_own(folder: Path, capsys):
    (folder / "own.yaml").write_text(
        "method: spear\ndataset: tones\nteacher: {kind: logmel}\nquantiser: {kind: kmeans, codebook_size: 4, fit_frames: 200}\n"
        "student: {kind: my_kinds:MyStudent, overrides: {dim: 6}, max_item_seconds: 2, devices: {enabled: false}}\n"
        "objective: {kind: my_kinds:MyObjective, options: {by: 3}, feature_rate: 100, time_mask_length: 2}\n"
        "evaluation: {tasks: [{name: tones, kind: my_kinds:MyTask}]}\n"
    )
    options = ["data_root=data", "output=run", "limit=24", *QUICK]
    run_pipeline(folder / "own.yaml", options, last="evaluate")
    rows = {row["model"]: row for row in read_json(folder / "run" / "results.json")}
    assert set(rows) == {"student", "teacher", "logmel", "random"} and {row["metric"] for row in rows.values()} == {"accuracy"}
    assert read_json(folder / "run" / "evaluate" / "details.json")["tones"]["models"]["student"]["number"] == "mine"
    config = read_json(folder / "run" / "pretrain" / "student" / "config.json")
    assert config["model_type"] == "my_kinds:MyStudent" and config["dim"] == 6
    run_pipeline(folder / "own.yaml", options, last="evaluate")
    assert "all stages are up to date" in capsys.readouterr().err

    run_pipeline(folder / "own.yaml", options, dry_run=True)
    assert "steps of" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"objective\.options\.by: expected a number"):
        run_pipeline(folder / "own.yaml", [*options, "output=other", "objective.options={by: loud}"])
    assert not (folder / "other").exists()
    with pytest.raises(ConfigError, match=r"student\.overrides.*did you mean dim"):
        run_pipeline(folder / "own.yaml", [*options, "student.overrides={dims: 6}"])

    (folder / "my_kinds.py").write_text(KINDS + "\n# changed\n")
    sys.modules.pop("my_kinds", None)
    capsys.readouterr()
    run_pipeline(folder / "own.yaml", options, dry_run=True)
    said = capsys.readouterr().err
    assert "labels        would run" in said and "pretrain      would run" in said and "quantiser     would run" not in said


def test_a_quantiser_of_ones_own_tokenises_and_is_measured(folder: Path):
    """Each stage loads what the one before saved, of the class that the recipe names."""
    (folder / "mine.py").write_text("from audiossl.tokens import KMeansQuantizer\n\n\nclass Mine(KMeansQuantizer):\n    pass\n")
    (folder / "own.yaml").write_text(
        "method: spear\ndataset: tones\nteacher: {kind: logmel}\n"
        "quantiser: {kind: 'mine.py:Mine', num_codebooks: 1, codebook_size: 4, fit_frames: 200}\n"
        "evaluation: {tasks: [{name: tones, kind: clips}]}\n"
    )
    run_pipeline(folder / "own.yaml", ["data_root=data", "output=run", "limit=24"], last="tokens")
    assert read_json(folder / "run" / "quantiser" / "logmel" / "quantiser" / "quantiser.json")["kind"] == "mine.py:Mine"


def test_a_task_of_fine_tuning_of_ones_own(folder: Path):
    (folder / "own.yaml").write_text(
        "method: finetune\ndataset: tones\ntask: my_kinds:Tones\nencoder: my_kinds:MyStudent\nmax_item_seconds: 2\n"
        "options: {freeze_steps: 0, note: mine, spec_augment: {probability: 0}}\n"
    )
    run_pipeline(folder / "own.yaml", ["data_root=data", *QUICK])
    output = folder / "runs" / "tones_Tones"
    rows = read_json(output / "results.json")
    assert {row["model"] for row in rows} == {"finetuned", "random"} and {row["task"] for row in rows} == {"Tones"}
    assert {row["answer"] for row in read_jsonl(output / "evaluate" / "finetuned.jsonl")} <= {"a", "b"}
    head = read_json(output / "train" / "model" / "head.json")
    assert head["task"] == "my_kinds:Tones" and head["options"]["note"] == "mine"
    assert "to give tones of tones" in (output / "report.html").read_text()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "student.kind=zipfromer",
            r"student\.kind: expected one of 'zipformer', or my_module:MyClass, got 'zipfromer' \(did you mean zipf",
        ),
        ("student.kind=my_kinds:MyTask", "expected a class with compute_features, forward_features"),
        ("objective.kind=my_kinds:Nothing", "my_kinds has no Nothing; its classes are"),
        (
            "evaluation.tasks=[{name: t, kind: clip}]",
            r"evaluation\.tasks\[0\]\.kind: expected one of .*got 'clip' \(did you mean clips\?\)",
        ),
        ("evaluation.tasks=[{name: t, kind: my_kinds:MyStudent}]", "expected a class with reads, key"),
        ("evaluation.tasks=[{name: t, kind: frames, folds: true}]", "folds are for tasks of kind clips, not for frames"),
    ],
)
def test_kinds_that_are_none(folder: Path, typed, said):
    (folder / "own.yaml").write_text("method: spear\ndataset: toy\n")
    with pytest.raises(ConfigError, match=said):
        run_pipeline(folder / "own.yaml", [typed, "output=run"])
    assert not (folder / "run").exists()
