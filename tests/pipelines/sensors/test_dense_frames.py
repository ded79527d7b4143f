"""Matches for Alice: hand-made frames, and frames of a frozen encoder that a recipe names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sensor_data import people, recording

from audiossl.errors import ConfigError, DataError
from audiossl.files import read_json
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.objectives.alice import AliceConfig
from audiossl.objectives.matches import MatchConfig
from audiossl.pipelines.sensors.batches import WindowBatchConfig, WindowBatches, say_once
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe, SubjectConfig
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.pipelines.sensors.dense import encoded_frames, handmade_frames
from audiossl.pipelines.sensors.encoders import people_seen
from audiossl.pipelines.sensors.models import ModelConfig
from audiossl.pipelines.sensors.rows import make_rows
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.signals.sensors.subjects import SubjectSides
from audiossl.signals.sensors.windows import WindowConfig
from audiossl.stage import Stage, fingerprint

SIZES = ResNet1dConfig(width=8, num_blocks=4, dim=16)


def row_of(encoder="", **options):
    batches = WindowBatchConfig(size=8, matches=MatchConfig(encoder=encoder, threshold=0.2, **options))
    config = SensorsRecipe(
        "toy",
        {"alice": SensorModel("alice", batches=batches)},
        windows=WindowConfig(1.0, 0.5),
        subjects=SubjectConfig(test=["p4", "p5"], valid=1),
        encoder=SIZES,
    )
    return make_rows(config)["alice"], FoldsConfig.of(config)


@pytest.fixture
def folds(tmp_path):
    write_recordings([*people(6), recording("p0_2", "p0", seed=9)], tmp_path / "set")
    return SensorFolds(tmp_path / "set", row_of()[1])


def saved(folder, subjects, dataset="other", channels=("acc_x", "acc_y")):
    torch.manual_seed(0)
    encoder = SensorEncoder(ResNet1d(len(channels), 50.0, SIZES), SensorInput(channels, ("g",) * len(channels), 50.0))
    encoder.save(folder, {"dataset": dataset, "subjects": subjects, "seed": 1, "fold": 0})
    return str(folder)


@pytest.fixture(autouse=True)
def said_again():
    """Lines that are said once in a run are said once in each test."""
    say_once.cache_clear()


@pytest.mark.parametrize("other", ["recording", "subject"])
@pytest.mark.parametrize("metric", ["cosine", "dtw"])
def test_matches_are_of_other_recordings_that_are_trained_on(folds, other, metric, capsys):
    row, _ = row_of(other=other, metric=metric)
    fold = folds.open(0)
    train = fold.windows.of(fold.sides.known)
    batch = next(iter(row.make_batches(fold, train, 1)(0)))
    assert batch.matches is not None and batch.matched is not None and 0 < int(batch.matched.sum()) <= 8
    assert "of the crops of the first batch have a match above 0.2" in " ".join(capsys.readouterr().err.split())
    for (own, match), lengths, id_, found in zip(
        batch.matches.signal, batch.matches.lengths, batch.ids, batch.matched, strict=True
    ):
        assert lengths[0] == lengths[1]
        every = [values.unfold(1, int(lengths[1]), 1) == match[:, None, : lengths[1]] for values in fold.windows.values]
        places = [number for number, same in enumerate(every) if bool(same.all(2).all(0).any())]
        assert bool(found) != torch.equal(own, match) and set(places) & {*train}
        owners = {fold.windows.ids[number].rpartition("@")[0] for number in places}
        mine = id_.rpartition("@")[0]
        if found:
            assert mine not in owners and (other == "recording" or not any(mine[:2] == name[:2] for name in owners))
        else:
            assert owners == {mine}


def test_a_frozen_encoder_is_named_by_the_recipe(folds, tmp_path):
    row, config = row_of(saved(tmp_path / "frozen", ["q1"]))
    row.check_recording(folds.recordings[0])
    row.check(tmp_path, folds)
    fold = folds.open(0)
    train = fold.windows.of(fold.sides.known)
    dense = encoded_frames(fold, train, str(tmp_path / "frozen"))
    assert dense.frames.shape[1:] == (13, 16) and dense.hop == 4
    assert not dense.frames[[number for number in range(len(fold.windows)) if number not in train]].any()
    assert next(iter(row.make_batches(fold, train, 1)(0))).matches is not None

    def printed(row):
        one = ModelConfig(row, config)
        assert len(one.names()) == len(one.decides())
        return fingerprint(Stage("model", print, one), {})

    before = printed(row)
    torch.manual_seed(1)
    SensorEncoder(ResNet1d(2, 50.0, SIZES), SensorInput(("acc_x", "acc_y"), ("g", "g"), 50.0)).save(tmp_path / "frozen", None)
    assert printed(row_of(str(tmp_path / "frozen"))[0]) != before, "other weights"


def test_what_a_frozen_encoder_saw_is_said_of_the_one_that_learned_by_its_matches(folds, tmp_path):
    row, _ = row_of(saved(tmp_path / "frozen", ["q1"]))
    small = AliceConfig(width=8, head=[8], prototypes=8)
    row = replace(row, options=small, training=replace(row.training, max_steps=1, tensorboard=False))
    row.represent(folds.open(0), 1, tmp_path / "seed1-fold0")
    place, tested = str(tmp_path / "seed1-fold0" / "encoder"), SubjectSides(("p0",), ("p1",), ("q1",))
    assert people_seen(place, "other", [tested])[1] == ["q1"]
    assert people_seen(place, "toy", folds.sides) == (read_json(Path(place) / "config.json")["pretrained_on"], [])


def test_a_frozen_encoder_that_does_not_fit_is_refused(folds, tmp_path):
    with pytest.raises(
        DataError, match=r"models\.alice\.batches\.matches\.encoder: .* pre-trained on 1 of those that are tested here \(p4\)"
    ):
        row_of(saved(tmp_path / "seen", ["p1", "p4"], "toy"))[0].check(tmp_path, folds)
    with pytest.raises(DataError, match="other channels"):
        row_of(saved(tmp_path / "wide", ["q"], channels=("x", "y", "z")))[0].check_recording(folds.recordings[0])
    with pytest.raises(ConfigError, match=r"models\.alice\.batches\.matches\.encoder: there is no 'nowhere'"):
        row_of("nowhere")[0].check_recording(folds.recordings[0])


def test_hand_made_frames_tell_the_windows_of_a_person_apart(folds):
    """Everybody's noise lies around an offset of their own, which is what frames have in common."""
    fold = folds.open(0)
    train = fold.windows.of(fold.sides.known)
    dense = handmade_frames(fold.windows, train)
    assert dense.hop == 3 and dense.frames.shape[1:] == (16, 6)
    mean = dense.frames.mean(1)
    of = {name: mean[[row for row in train if fold.windows.subjects[row] == name]].mean(0) for name in fold.sides.known}
    own = [float(mean[row] @ of[fold.windows.subjects[row]]) for row in train]
    other = [float(mean[row] @ of[name]) for row in train for name in of if name != fold.windows.subjects[row]]
    assert sum(own) / len(own) > sum(other) / len(other) + 0.2


def test_matches_without_frames_are_refused(folds):
    with pytest.raises(ConfigError, match=r"batches\.matches needs frames"):
        WindowBatches(folds.open(0).windows, range(8), WindowBatchConfig(size=4, matches=MatchConfig()), seed=0)
