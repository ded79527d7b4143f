"""Few labels on a few made-up people: one run with every stage, and that no test subject is learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from own_data import write_people

from audiossl.errors import ConfigError
from audiossl.evaluation.results import read_results
from audiossl.files import read_json
from audiossl.objectives.kinds import SEMI_OBJECTIVES
from audiossl.pipelines.catalogue import read_config, run_pipeline
from audiossl.pipelines.semi.config import SemiRecipe
from audiossl.pipelines.semi.data import neighbours
from audiossl.pipelines.semi.labels import LabelBudgets, draw_labels, read_draws
from audiossl.pipelines.semi.pool import PoolConfig, of_training, rows_of_pool, scale_of
from audiossl.pipelines.semi.pseudo_quality import pseudo_quality
from audiossl.pipelines.semi.stages import stages
from audiossl.pipelines.sensors import plain_rows
from audiossl.signals.sensors.subjects import SubjectSides

PREPARE = """
import numpy as np
from audiossl.signals.sensors.recording import Annotation, SensorRecording

def recordings(data_root, limit):
    for person in range(5):
        rng = np.random.default_rng(person)
        time = np.arange(500) / 50
        walk = np.sin(2 * np.pi * 1.8 * time) * (time < 5) + 0.2 * rng.normal(size=500)
        values = np.stack([walk, rng.normal(size=500), np.where(time < 5, 0.0, 1.0) + 0.1 * rng.normal(size=500)])
        marks = (Annotation(0.0, 5.0, "walk"), Annotation(5.0, 9.0, "sit"))
        yield SensorRecording(
            f"p{person}_1", f"p{person}", 50.0, ("x", "y", "z"), ("g",) * 3, values.astype(np.float32), {"activity": marks}
        )
"""
TINY = "{optimiser: adamw, lr: 0.01, schedule: constant, max_steps: 3, warmup_steps: 1, validate_every: 0, tensorboard: false}"
RECIPE = f"""
method: semi
dataset: toy
windows: {{seconds: 1.28, hop: 0.64}}
subjects: {{test: [p3, p4], valid: 1}}
encoder: {{width: 4, num_blocks: 2, dim: 8}}
batches: {{size: 16}}
training: {TINY}
learning: {TINY}
labels: {{per_class: [1, 2], shares: [], draws: 2}}
pairs: {{labelled: 4, unlabelled: 8}}
views: {{weak: 1, strong: [[scale], [noise]], changes: {{axes: [0]}}}}
models:
  statistics: {{kind: statistics}}
  random: {{kind: random}}
methods:
  supervised: {{kind: supervised}}
  fixmatch: {{kind: fixmatch, pool: {{test: true}}}}
"""
KEYS = ["time=t", "channels=x,y,z", "label=activity", "person=subject"]
SIDES = SubjectSides(("a", "b", "c"), ("d",), ("e", "f"))


def recipe(folder: Path) -> Path:
    (folder / "prepare.py").write_text(PREPARE)
    (folder / "toy.yaml").write_text(RECIPE)
    return folder / "toy.yaml"


def test_a_run_from_recordings_to_the_page(tmp_path, capsys, monkeypatch):
    scaled = {name: _note_scales(monkeypatch, name) for name in ("methods", "scores")}
    run = run_pipeline(recipe(tmp_path), [f"output={tmp_path / 'run'}"])
    rows = read_results(run / "results.json")
    assert {row.model for row in rows} == {"supervised", "fixmatch", "statistics", "random"}
    assert {row.task for row in rows} == {"activity_1_per_class", "activity_2_per_class"}
    value = {(row.model, row.task): row.value for row in rows if row.metric == "accuracy"}
    assert value["statistics", "activity_2_per_class"] > 0.7
    assert {row.groups for row in rows} == {2}
    details = read_json(run / "evaluate" / "details.json")
    assert all(len(found["seeds"]) == 2 for found in details["readouts"]["1_per_class"].values())
    draws = read_draws(run / "draws")
    assert len(draws) == 4 and all(id_[:2] in ("p0", "p1", "p2") for draw in draws for id_ in [*draw.train, *draw.valid])
    pools = {
        name: read_json(run / f"method_{name}" / "fold0-1_per_class-draw0" / "pseudo.json") for name in ("supervised", "fixmatch")
    }
    assert pools["fixmatch"]["pool"] * 2 == pools["supervised"]["pool"] * 4  # two of five people, and these with two others
    # All rows are standardised by the labelled windows and the pool of the two people who train, whoever else is in the pool.
    # Of a model that no method reads (`random`), windows without a class are not represented: 6 of 28.
    assert set(scaled["methods"]) == {(labels, 28) for labels in (2, 4)} and pools["supervised"]["pool"] == 28
    assert set(scaled["scores"]) == {(labels, size) for labels in (2, 4) for size in (28, 22)}
    assert "fixmatch is transductive" in (run / "report.html").read_text()
    first = (run / "results.json").read_bytes()
    run_pipeline(recipe(tmp_path), [f"output={tmp_path / 'run'}"])
    assert "all stages are up to date" in capsys.readouterr().err and (run / "results.json").read_bytes() == first


def _note_scales(monkeypatch, module):
    """Note how many labelled windows and windows of the pool each row is standardised by."""
    sizes: list[tuple[int, ...]] = []

    def noted(features, counts):
        sizes.append(tuple(len(x) for x in features))
        return scale_of(features, counts)

    monkeypatch.setattr(f"audiossl.pipelines.semi.{module}.scale_of", noted)
    return sizes


@pytest.mark.slow
def test_frames_devices_and_end_to_end(tmp_path):
    methods = (
        "methods={tracoco: {kind: tracoco}, turned: {kind: self_ensembling, pool: {device: 30, imbalance: 2}}, "
        "tuned: {kind: tracoco, end_to_end: true}}"
    )
    models = "models={simclr: {kind: simclr, options: {augmentations: {axes: [0]}}}}"
    run = run_pipeline(recipe(tmp_path), [f"output={tmp_path / 'run'}", "frames=true", models, methods])
    rows = {(row.model, row.task): row for row in read_results(run / "results.json") if row.metric == "accuracy"}
    assert {model for model, _ in rows} == {"simclr", "tracoco", "turned", "tuned"}
    assert {task for _, task in rows} == {"activity_frames_1_per_class", "activity_frames_2_per_class"}
    answers = run / "method_tracoco" / "fold0-1_per_class-draw0"
    assert (answers / "answers.safetensors").is_file()
    with pytest.raises(ConfigError, match=r"permute put frames elsewhere"):
        run_pipeline(recipe(tmp_path), [f"output={tmp_path / 'no'}", "frames=true", "views.strong=[[permute]]"])


def test_what_cannot_be_meant_is_refused(tmp_path):
    for override, message in (
        ("methods.fixmatch.on=nobody", "expected one of the models statistics, random, got 'nobody'"),
        ("methods.fixmatch.kind=fixmach", "methods.fixmatch.kind: expected one of .*did you mean fixmatch"),
        ("methods.fixmatch.options={treshold: 0.9}", "methods.fixmatch.options.treshold: .*did you mean threshold"),
        ("methods={random: {kind: fixmatch}}", "there is a model of that name"),
        ("models.random={kind: supervised}", "models.random: it reads labels"),
        ("labels.per_class=[0]", "per_class, subjects and draws of at least 1"),
        ("views.strong=[[nose]]", "there is no change nose"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_pipeline(recipe(tmp_path), [f"output={tmp_path / 'run'}", override])


@pytest.mark.parametrize("name", ["semi", "segmentation"])
def test_recipes_lay_out_their_stages(name, monkeypatch):
    monkeypatch.setattr(plain_rows, "import_extra", lambda *_: None)  # MiniRocket needs aeon when it runs
    file = Path(__file__).resolve().parents[3] / "recipes" / "hapt" / f"{name}.yaml"
    config, _ = read_config(file)
    assert isinstance(config, SemiRecipe)
    names = [stage.name for stage in stages(config, file.parent)]
    methods = [f"method_{name}" for name in config.methods]
    assert names == [
        "recordings",
        *(f"model_{name}" for name in config.models),
        "draws",
        *(["views_vicreg", "views_random"] if config.frames else ["views_vicreg"]),
        *methods,
        "evaluate",
        "report",
    ]
    assert name == "segmentation" or set(SEMI_OBJECTIVES) <= {method.kind for method in config.methods.values()}
    assert f"audiossl run recipes/hapt/{name}.yaml" in file.read_text()


def test_a_method_from_outside(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("from audiossl.objectives import FixMatch\n\nclass Mine(FixMatch): ...\n")
    config, file = read_config(recipe(tmp_path), [f"methods={{mine: {{kind: '{own}:Mine', options: {{threshold: 0.8}}}}}}"])
    laid = {stage.name: stage for stage in stages(config, file.parent)}
    digest = laid["method_mine"].config.decides()[-1]
    own.write_text(own.read_text().replace("...", "other = 1"))
    assert {stage.name: stage for stage in stages(config, file.parent)}["method_mine"].config.decides()[-1] != digest
    config.methods["mine"].kind = "simclr"
    with pytest.raises(ConfigError, match=r"there is no objective 'simclr'"):
        stages(config, file.parent)
    config.methods["mine"].kind = "audiossl.objectives.simclr:SimCLR"
    with pytest.raises(ConfigError, match=r"expected a subclass of audiossl\.objectives\.SemiObjective"):
        stages(config, file.parent)


@pytest.mark.slow
def test_recordings_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "people", 4, seconds=12.0)
    few = ["labels.per_class=[1]", "labels.shares=[]", "labels.draws=2", "learning.max_steps=2", "training.max_steps=2"]
    words = ["corpus=people", *KEYS, *few, "batches.size=4"]
    run_pipeline(Path("semi"), words, dry_run=True)
    assert "methods  4, each 1 budgets x 2 draws" in capsys.readouterr().err.replace("\n", " ")
    run = run_pipeline(Path("semi"), words)
    assert {row.model for row in read_results(run / "results.json")} >= {"supervised", "simmatch", "vicreg", "statistics"}


subjects_of_windows = st.lists(st.sampled_from("abcdef"), min_size=12, max_size=60)


@given(names=subjects_of_windows, seed=st.integers(0, 99), foreign=st.booleans(), ratio=st.sampled_from([1.0, 4.0]))
@settings(max_examples=30, deadline=None)
def test_no_test_subject_is_in_the_pool_unless_it_is_asked_for(names, seed, foreign, ratio):
    names = [*"abcdef", *names]
    classes = torch.tensor([0, 1, *(index % 4 - 1 for index in range(len(names) - 2))])
    rows = rows_of_pool(PoolConfig(foreign, imbalance=ratio), classes, names, SIDES, (seed, 0))
    assert {names[row] for row in rows.tolist()} <= set(SIDES.train)
    assert foreign or bool((classes[rows] >= 0).all())
    assert len(rows.unique()) == len(rows)
    with_test = rows_of_pool(PoolConfig(foreign, test=True), classes, names, SIDES, (seed, 0))
    assert {names[row] for row in with_test.tolist()} <= {*SIDES.train, *SIDES.test}
    mine = of_training(with_test, names, SIDES)
    assert {names[row] for row in mine.tolist()} == {names[row] for row in with_test.tolist()} & {*SIDES.train}


@given(counts=st.lists(st.integers(1, 9), min_size=2, max_size=3), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_draws_are_nested_by_budget_and_validation_is_no_larger(counts, seed):
    people = {"train": SIDES.train, "valid": SIDES.valid}
    ids = {
        side: [[f"{names[i % len(names)]}{k}@{i}" for i in range(count)] for k, count in enumerate(counts)]
        for side, names in people.items()
    }
    subjects = {id_: id_[0] for classes in ids.values() for of_class in classes for id_ in of_class}
    budgets = LabelBudgets(per_class=[1, 3], shares=[0.5], subjects=[1], draws=2)
    draws = draw_labels(ids, subjects, SIDES, budgets, (seed, 0))
    assert draws == draw_labels(ids, subjects, SIDES, budgets, (seed, 0))
    assert [draw.budget for draw in draws[:4]] == budgets.budgets == ["1_per_class", "3_per_class", "50pct", "1_subjects"]
    for draw in draws:
        assert len(draw.valid) <= len(draw.train) == len(set(draw.train))
        assert {subjects[id_] for id_ in draw.train} <= set(SIDES.train)
        assert {subjects[id_] for id_ in draw.valid} <= set(SIDES.valid)
    one, three, _, of_person = (set(draw.train) for draw in draws[:4])
    assert one <= three and len(one) == len(counts) and len({subjects[id_] for id_ in of_person}) <= 1
    alone = LabelBudgets(per_class=[3], shares=[], draws=1)
    assert draw_labels(ids, subjects, SIDES, alone, (seed, 0))[0].train == draws[1].train  # whatever other budgets there are


def test_imbalance_is_the_ratio_of_the_most_frequent_class_to_the_rarest():
    classes = torch.arange(300) % 3
    rows = rows_of_pool(PoolConfig(imbalance=4.0), classes, ["a"] * 300, SIDES, (1, 0))
    assert sorted((classes[rows] == k).sum().item() for k in range(3)) == [25, 50, 100]


def test_neighbours_overlap_and_are_of_the_same_recording_or_of_the_pool():
    starts = torch.tensor([0, 8, 0, 16, 8, 0, 8, 16])
    recording = torch.tensor([0, 0, 1, 1, 2, 3, 3, 3])  # windows 2, 3 and 4 are alone
    found = neighbours(starts, recording, torch.tensor([2, 3, 4, 5, 6, 7]), size=16, hop=4)
    assert found is not None and found[1] == 2
    assert found[0].tolist() == [[0, 1], [0, 1], [5, 6], [5, 6], [5, 6], [5, 6], [6, 7], [6, 7]]
    assert neighbours(starts, recording, torch.tensor([2, 4]), size=16, hop=4) is None
    assert neighbours(starts, recording, torch.arange(8), size=16, hop=3) is None


def test_quality_of_pseudo_labels():
    answers = torch.tensor([[0.96, 0.04], [0.96, 0.04], [0.4, 0.6], [0.03, 0.97]]).log()[:, None]
    found = pseudo_quality(answers, torch.tensor([[0], [1], [1], [-1]]))
    assert found["accuracy"] == pytest.approx(2 / 3) and found["confident"] == 0.5 and found["used"] == 0.75
    assert found["use"] == pytest.approx([2 / 3, 1 / 3]) and found["recall"] == [1.0, 0.5]
    assert found["ece"] == pytest.approx(2 / 3 * abs(0.5 - 0.96) + 1 / 3 * abs(1 - 0.6), abs=1e-6)
