"""USC-HAD: the miniature in its true form and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imu_layouts import imu_values, write_usc_had
from scipy.io import savemat

from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.sensors.recording import Annotation, Rejected

PREPARE = load_script(Path(__file__).resolve().parents[2] / "recipes/usc_had/prepare.py", functions=("recordings",)).module


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(PREPARE, "PEOPLE", 2)
    monkeypatch.setattr(PREPARE, "TRIALS", 2)
    return write_usc_had(tmp_path)


def test_miniature(folder):
    found = list(PREPARE.recordings(folder.parent, None))
    assert len({one.id for one in found}) == 48
    one = {one.id: one for one in found}["subject02_elevator_up_1"]
    assert (one.subject, one.rate, one.units) == ("subject02", 100.0, ("g",) * 3 + ("deg/s",) * 3)
    np.testing.assert_allclose(one.values, imu_values(161, 311).T, rtol=1e-6)
    assert one.annotations == {"activity": (Annotation(0.0, 1.61, "elevator_up"),)}
    for one, again in zip(found, PREPARE.recordings(folder.parent, None), strict=True):
        assert (one.id, one.annotations) == (again.id, again.annotations)
        np.testing.assert_array_equal(one.values, again.values)


def test_the_first_few_are_of_several_people_and_all_activities(folder):
    first = list(PREPARE.recordings(folder.parent, 24))
    assert {(one.subject, one.annotations["activity"][0].value) for one in first} == {
        (subject, activity) for subject in ("subject01", "subject02") for activity in PREPARE.ACTIVITIES
    }


def test_damaged_trials_are_rejected(folder):
    whole = (folder / "Subject1" / "a3t1.mat").read_bytes()
    (folder / "Subject1" / "a3t1.mat").write_bytes(whole[: len(whole) // 2])
    (folder / "Subject1" / "a4t1.mat").write_bytes(b"")
    savemat(str(folder / "Subject1" / "a5t1.mat"), {"readings": np.zeros((9, 6))})
    savemat(str(folder / "Subject1" / "a6t1.mat"), {"sensor_readings": np.zeros((9, 5))})
    found = list(PREPARE.recordings(folder.parent, None))
    rejected = {one.id: one.reason for one in found if isinstance(one, Rejected)}
    assert len(found) == 48 and rejected.keys() == {f"subject01_{PREPARE.ACTIVITIES[number - 1]}_1" for number in (3, 4, 5, 6)}
    for number in (3, 4, 5, 6):
        assert str(folder / "Subject1" / f"a{number}t1.mat") in rejected[f"subject01_{PREPARE.ACTIVITIES[number - 1]}_1"]
    assert "got (9, 5)" in rejected["subject01_running_forward_1"]


def test_a_missing_trial_is_named(folder):
    (folder / "Subject2" / "a12t2.mat").unlink()
    with pytest.raises(DataError, match=r"lacks Subject2/a12t2\.mat"):
        list(PREPARE.recordings(folder.parent, None))
