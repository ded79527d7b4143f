"""The run of an encoder: which rows are its own, what it was trained on, whose names become public."""

from __future__ import annotations

import pytest

import audiossl
from audiossl.errors import ConfigError, StoreError
from audiossl.evaluation.results import ResultRow, write_results
from audiossl.files import write_json
from audiossl.models import hub
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.report.model_run import ModelRun, padding_in_words


@pytest.fixture
def people(tmp_path):
    """A run of sensors with two folds, whose encoders saw other people."""
    takes = SensorInput(("x", "y"), ("g", "g"), 50.0)
    encoder = SensorEncoder(ResNet1d(2, 50.0, ResNet1dConfig(width=8, num_blocks=4, dim=16)), takes)
    for fold, seen in enumerate((["p1", "p2"], ["p0"])):
        hub.save(encoder, tmp_path / "model_simclr" / f"seed1-fold{fold}" / "encoder", {"dataset": "steps", "subjects": seen})
    rows = [ResultRow("steps", "activity", name, "accuracy", 0.5, 0.25, 0.75, 90, 3) for name in ("simclr", "statistics")]
    write_results(tmp_path / "results.json", rows)
    write_json(
        tmp_path / "recipe.json", {"recipe": "simclr.yaml", "config": {"dataset": "steps", "seeds": [1], "encoder": {"dim": 16}}}
    )
    return tmp_path


def test_an_encoder_of_several_is_named(people):
    with pytest.raises(ConfigError, match="holds 2 encoders, name one of them"):
        ModelRun.find(people)
    found = ModelRun.find(people / "model_simclr" / "seed1-fold0" / "encoder")
    assert (found.run, found.row, found.people()) == (people, "simclr", ("p1", "p2"))
    facts = found.facts(audiossl.load(found.encoder), "me/steps")
    assert [(one.name, one.items, one.subjects) for one in facts.training or ()] == [("steps", None, 2)]
    assert (facts.seed, facts.commit, facts.teacher, facts.started_from) == ((1,), None, "", "")
    assert "The row `simclr` is over 2 encoders (seeds and folds); this one is seed1-fold0." in found.limits()
    assert "commit not known" in found.scores() and "This model is the row `simclr`" in found.scores()


def test_an_encoder_without_rows_of_its_own(people):
    write_results(people / "results.json", [ResultRow("steps", "activity", "statistics", "accuracy", 0.5, 0.25, 0.75, 90, 3)])
    with pytest.raises(ConfigError, match="has no row of model_simclr/seed1-fold1/encoder; its rows are statistics"):
        ModelRun.find(people / "model_simclr" / "seed1-fold1" / "encoder")


def test_damaged_records_are_named(people):
    found = ModelRun.find(people / "model_simclr" / "seed1-fold0" / "encoder")
    (people / "recipe.json").write_text("{")
    with pytest.raises(StoreError, match=r"recipe\.json cannot be read"):
        found.facts(audiossl.load(found.encoder), "me/steps")


def test_padding_that_leaks_is_said():
    class Leaky(torch_module()):
        def forward(self, signal, lengths):
            frames = super().forward(signal, lengths)
            frames.layers = tuple(layer + signal.shape[2] for layer in frames.layers)
            return frames

    assert padding_in_words(audiossl.Embedder(Leaky())).startswith("**Padding changes the frames of a clip**")
    assert "same frames alone" in padding_in_words(audiossl.load("logmel"))


def torch_module():
    from audiossl.teachers.logmel import LogMelEncoder

    return LogMelEncoder
