"""Folds of a sensor recipe: how much of them is in memory at a time."""

from __future__ import annotations

import weakref

import pytest
from sensor_data import people

from audiossl.pipelines import sensors_data
from audiossl.pipelines.sensors_config import SensorModel, SensorsRecipe, SubjectConfig
from audiossl.pipelines.sensors_models import represent
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
    represent(tmp_path / "out", tmp_path / "set", STATISTICS, config)
    assert len(made) == expected
    assert len(list((tmp_path / "out").glob("seed1-fold*/features.safetensors"))) == 3
