"""Rows of kind `neighbour_whitening`: what they learn from, encoders of other models, and a whole run."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from sensor_data import people, recording

from audiossl.errors import AudiosslError, ConfigError
from audiossl.evaluation.results import read_results
from audiossl.features.rich_pooling import rich_pooling
from audiossl.models.banks import make_bank, whiten_bank
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.pipelines.catalogue import run_pipeline
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe, SubjectConfig
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.pipelines.sensors.rows import make_rows
from audiossl.pipelines.sensors.scores import EvaluateConfig
from audiossl.seeds import derive_seed
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.signals.sensors.windows import WindowConfig
from audiossl.stage import deciding

STATISTICS = SensorModel("neighbour_whitening", {"banks": [{"kind": "statistics", "options": {"num_bins": 4}}]})


def recipe(**models: SensorModel) -> SensorsRecipe:
    sizes = ResNet1dConfig(width=8, num_blocks=4, dim=16)
    subjects = SubjectConfig(test=["p4", "p5"], valid=1)
    return SensorsRecipe("toy", models, windows=WindowConfig(1.0, 0.5), subjects=subjects, encoder=sizes)


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "set"
    write_recordings([*people(6), recording("p1_2", "p1", seed=9), recording("p2_2", "p2", 40, seed=8)], folder)
    return SensorFolds(folder, FoldsConfig.of(recipe(a=STATISTICS))).open(0)


def test_features_are_whitened_by_neighbours_of_known_people(fold):
    (row,) = make_rows(recipe(a=STATISTICS)).values()
    found = row.represent(fold, 1, Path())[0][""]
    known = fold.windows.of(fold.sides.known)
    places = [fold.windows.ids[index].split("@") for index in known]
    follows = [
        index > 0 and name == places[index - 1][0] and int(start) - int(places[index - 1][1]) == 25
        for index, (name, start) in enumerate(places)
    ]
    signal, lengths = fold.windows.values, fold.windows.lengths
    bank = make_bank("statistics", {"num_bins": 4})
    whitened = whiten_bank(bank, signal[known], lengths[known], torch.tensor(follows))
    expected = whitened(signal[fold.task.rows], lengths[fold.task.rows])
    torch.testing.assert_close(found, expected)
    assert whitened(signal[known], lengths[known]).var(0, correction=0).sum() == pytest.approx(1e4, rel=1e-3)


def test_nothing_of_a_test_person_is_learned_from(fold):
    (row,) = make_rows(recipe(a=STATISTICS)).values()
    changed = copy(fold.windows)
    tested = changed.of(fold.sides.test)
    changed.values = changed.values.clone()
    changed.values[tested] = changed.values[tested].mul(50) + 7
    before, after = (row.represent(one, 1, Path())[0][""] for one in (fold, replace(fold, windows=changed)))
    is_known = torch.tensor([fold.windows.subjects[index] in fold.sides.known for index in fold.task.rows])
    assert torch.equal(before[is_known], after[is_known]) and not torch.equal(before[~is_known], after[~is_known])


def test_the_encoder_of_another_model_is_a_bank(fold):
    """The network of kind `random` is drawn as its stage draws it, whatever the order in the recipe."""
    options = {"banks": [{"kind": "encoder", "options": {"row": "net"}}], "dim": 12}
    rows = make_rows(recipe(a=SensorModel("neighbour_whitening", options), net=SensorModel("random")))
    assert list(rows) == ["net", "a"] and rows["a"].reads == ("net",)
    found = rows["a"].reading({"net": Path("nowhere")}).represent(fold, 3, Path("seed3-fold0"))[0][""]
    torch.manual_seed(derive_seed(3, "encoder"))
    net = ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)).eval()
    signal, lengths = fold.windows.values, fold.windows.lengths
    with torch.no_grad():
        frames = net(signal[fold.task.rows], lengths[fold.task.rows])
        rich = rich_pooling(frames.last, frames.last_lengths).double()
    assert found.shape == (len(rich), 12)
    # A linear map of the pooled frames: least squares leaves nothing.
    inputs = torch.cat([rich, torch.ones(len(rich), 1)], dim=1)
    left = found - inputs @ torch.linalg.lstsq(inputs, found.double(), driver="gelsd").solution
    assert left.abs().max() < 1e-3 * found.abs().max()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"banks": ["kernel"]}, r"models\.a\.options\.banks\[0\]\.kind: expected one of .*did you mean kernels"),
        ({"banks": []}, r"models\.a\.options: banks: expected at least one bank"),
        (
            {"banks": ["statistics", {"kind": "kernels", "options": {"biases": 1}}]},
            r"banks\[1\]\.options\.biases: expected one of",
        ),
        ({"banks": [{"kind": "encoder", "options": {"row": "s"}}]}, r"a model with an encoder, which here are net, got 's'"),
        ({"banks": [{"kind": "encoder", "options": {"row": "none"}}]}, r"which here are net, got 'none'"),
        ({"shrinkage": -1.0}, r"models\.a\.options: whitening needs .* a shrinkage of at least 0"),
        ({"epsilon": 1.0}, r"models\.a\.options\.epsilon: expected one of the keys dim, shrinkage, banks"),
    ],
)
def test_mistakes_in_options_are_named(options, said):
    others = {"s": SensorModel("statistics"), "net": SensorModel("random")}
    with pytest.raises(ConfigError, match=said):
        make_rows(recipe(a=SensorModel("neighbour_whitening", options), **others))


def test_pooling_is_for_rows_of_encoders():
    for kind in ("statistics", "frame_projection"):
        with pytest.raises(ConfigError, match=rf"models\.a\.pooling: the features of {kind} are no pooled frames"):
            make_rows(recipe(a=SensorModel(kind, pooling="rich")))


def test_rich_pooling_of_a_row_is_four_times_as_wide(fold):
    mean, rich = (make_rows(recipe(a=SensorModel("random", pooling=pooling)))["a"] for pooling in ("mean", "rich"))
    features = []
    for row in (mean, rich):
        torch.manual_seed(5)
        features.append(row.features(fold, 1))
    assert features[1].shape[1] == 4 * features[0].shape[1]
    torch.testing.assert_close(features[1][:, :16], features[0])


def test_an_option_that_is_as_before_changes_no_fingerprint():
    config = recipe(a=SensorModel("statistics"))
    assert "pooling" not in deciding(config.models["a"]) and "pooling" in deciding(SensorModel("random", pooling="rich"))
    scored = EvaluateConfig("toy", config.task, ["a"], FoldsConfig.of(config))
    assert len(scored.decides()) == len(scored.names()) == 4
    kept = replace(scored, keep_scale=("a",))
    assert len(kept.decides()) == len(kept.names()) == 5


PREPARE = """
import numpy as np
from audiossl.signals.sensors.recording import Annotation, SensorRecording

def recordings(data_root, limit):
    for person in range(6):
        rng = np.random.default_rng(person)
        time = np.arange(1000) / 50
        walk = np.sin(2 * np.pi * (1.8 + 0.1 * person) * time) * (time < 10) + 0.3 * rng.normal(size=1000)
        values = np.stack([walk, rng.normal(size=1000)]).astype(np.float32)
        marks = (Annotation(0.0, 10.0, "walk"), Annotation(10.0, 20.0, "sit"))
        yield SensorRecording(f"p{person}_1", f"p{person}", 50.0, ("x", "y"), ("g",) * 2, values, {"activity": marks})
"""
RECIPE = """
method: sensors
dataset: toy
windows: {seconds: 1.28, hop: 0.64}
subjects: {test: [p4, p5], valid: 1}
encoder: {width: 8, num_blocks: 4, dim: 16}
task: {fractions: [1.0, 0.1]}
models:
  whitened: {kind: neighbour_whitening, options: {banks: [statistics, {kind: encoder, options: {row: random}}]}}
  kernels: {kind: neighbour_whitening, options: {banks: [{kind: kernels, options: {num_features: 336}}]}}
  random: {kind: random}
"""


def test_a_run_from_recordings_to_a_table(tmp_path, capsys):
    (tmp_path / "prepare.py").write_text(PREPARE)
    (tmp_path / "toy.yaml").write_text(RECIPE)
    out = run_pipeline(tmp_path / "toy.yaml", [f"output={tmp_path / 'run'}"])
    rows = {(row.model, row.task, row.metric): row.value for row in read_results(out / "results.json")}
    assert {model for model, *_ in rows} == {"whitened", "kernels", "random"}
    for model in ("whitened", "kernels"):
        assert rows[model, "activity", "accuracy"] > 0.9
        features = load_file(out / f"model_{model}" / "seed1-fold0" / "features.safetensors")[""]
        assert bool(features.isfinite().all())
    assert "whitened" in (out / "report.html").read_text()
    capsys.readouterr()
    run_pipeline(tmp_path / "toy.yaml", [f"output={tmp_path / 'run'}"])
    assert "made with" not in capsys.readouterr().err
    semi = yaml.safe_load(RECIPE) | {"method": "semi", "methods": {"m": {"kind": "supervised", "on": "kernels"}}}
    (tmp_path / "semi.yaml").write_text(yaml.safe_dump(semi, sort_keys=False))
    with pytest.raises(AudiosslError, match=r"models\.whitened: here frames are pooled by their mean"):
        run_pipeline(tmp_path / "semi.yaml", [f"output={tmp_path / 'semi'}"])
