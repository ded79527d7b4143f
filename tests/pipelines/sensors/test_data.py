"""Folds of a sensor recipe, how much of them is in memory at a time, and what a row's training is told."""

from __future__ import annotations

import weakref

import pytest
from sensor_data import people

from audiossl.models.resnet1d import ResNet1dConfig
from audiossl.pipelines.sensors import data as sensors_data
from audiossl.pipelines.sensors import learning
from audiossl.pipelines.sensors.batches import WindowBatchConfig
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe, SubjectConfig, WindowTaskConfig
from audiossl.pipelines.sensors.data import FoldsConfig
from audiossl.pipelines.sensors.models import ModelConfig, represent
from audiossl.pipelines.sensors.rows import make_rows
from audiossl.signals.sensors.recording_set import write_recordings
from audiossl.signals.sensors.windows import WindowConfig, WindowSet

STATISTICS = SensorModel("statistics")


@pytest.mark.parametrize(("normalise", "expected"), [("training", 3), ("window", 1)])
def test_one_fold_of_windows_is_in_memory(tmp_path, monkeypatch, normalise, expected):
    """Whoever opens the next fold has let the one before go; windows that are the same in all folds are cut once."""
    write_recordings(people(6), tmp_path / "set")
    made: list[weakref.ref] = []

    def watched(*args):
        assert not any(one() for one in made)
        windows = WindowSet(*args)
        made.append(weakref.ref(windows))
        return windows

    monkeypatch.setattr(sensors_data, "WindowSet", watched)
    config = SensorsRecipe(
        "toy",
        {"statistics": STATISTICS},
        windows=WindowConfig(1.0, 0.5, normalise=normalise),
        subjects=SubjectConfig(folds=3, valid=1),
    )
    represent(tmp_path / "out", {"recordings": tmp_path}, ModelConfig(make_rows(config)["statistics"], FoldsConfig.of(config)))
    assert len(made) == expected
    assert len(list((tmp_path / "out").glob("seed1-fold*/features.safetensors"))) == 3


def test_a_supervised_row_has_a_rate_and_a_batch_size_of_its_own(tmp_path, monkeypatch):
    write_recordings(people(6), tmp_path / "set")
    told = []
    monkeypatch.setattr(learning, "fit", lambda objective, batches, training, out: told.append((training.lr, batches.size)))
    plain, own = SensorModel("supervised"), SensorModel("supervised", lr=0.5, batches=WindowBatchConfig(size=8))
    config = SensorsRecipe(
        "toy",
        {"plain": plain, "own": own},
        windows=WindowConfig(1.0, 0.5),
        subjects=SubjectConfig(test=["p4", "p5"], valid=1),
        encoder=ResNet1dConfig(width=8, num_blocks=4, dim=16),
        batches=WindowBatchConfig(size=16),
        task=WindowTaskConfig(fractions=[1.0]),
    )
    for name, row in make_rows(config).items():
        represent(tmp_path / name, {"recordings": tmp_path}, ModelConfig(row, FoldsConfig.of(config)))
    assert told == [(config.task.finetune_lr, 16), (0.5, 8)]
