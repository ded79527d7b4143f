"""seglearn: the miniature in its true form, what is refused, and the numbers of the real package."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from imu_layouts import imu_values, write_seglearn

from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

PREPARE = load_script(Path(__file__).resolve().parents[2] / "recipes/seglearn/prepare.py", functions=("recordings",)).module


def test_miniature(tmp_path):
    write_seglearn(tmp_path)
    found = list(PREPARE.recordings(tmp_path, None))
    assert [one.id for one in found[:4]] == [
        "subject01_PEN_left", "subject02_PEN_left", "subject01_PEN_right", "subject02_PEN_right",
    ]  # fmt: skip
    second = found[1]
    assert (second.subject, second.rate, second.custom) == ("subject02", 50.0, {"side": "left"})
    np.testing.assert_allclose(second.values, imu_values(120, 2).T, rtol=1e-6)
    assert second.annotations == {"activity": (Annotation(0.0, 2.4, "PEN"),)}
    for one, again in zip(found, PREPARE.recordings(tmp_path, None), strict=True):
        assert (one.id, one.annotations) == (again.id, again.annotations)
        np.testing.assert_array_equal(one.values, again.values)
    assert {one.subject for one in PREPARE.recordings(tmp_path, 2)} == {"subject01", "subject02"}


def test_damaged_recordings_are_rejected(tmp_path):
    signals = [imu_values(50, seed) for seed in range(8)]
    signals[2] = signals[2][:, :5]
    file = write_seglearn(tmp_path, X=signals, y=np.array([9, 0, 0, 0, 1, 1, 1, 1]))
    found = {one.id: one for one in PREPARE.recordings(tmp_path, None)}
    assert len(found) == 8
    rejected = {id_: one.reason for id_, one in found.items() if isinstance(one, Rejected)}
    assert rejected.keys() == {"subject01_9_left", "subject02_PEN_left"}
    assert all(str(file) in reason for reason in rejected.values())
    assert "got (50, 5)" in rejected["subject02_PEN_left"]
    assert all(isinstance(one, SensorRecording) for id_, one in found.items() if id_ not in rejected)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("made",)


def test_a_malicious_file_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_seglearn(tmp_path, X=[Malicious()])
    with pytest.raises(DataError, match=r"watch_dataset\.npy.*mkdir"):
        list(PREPARE.recordings(tmp_path, None))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("changes", [{"X_labels": ["ax", "ay", "az", "wx", "wy", "wq"]}, {"y": np.zeros(3)}])
def test_parts_that_do_not_fit(tmp_path, changes):
    write_seglearn(tmp_path, **changes)
    with pytest.raises(DataError, match=r"watch_dataset\.npy"):
        list(PREPARE.recordings(tmp_path, None))


def test_a_damaged_or_missing_file_is_named(tmp_path):
    file = write_seglearn(tmp_path)
    whole = file.read_bytes()
    for content in (whole[:-30], b"no array", whole[:60]):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"watch_dataset\.npy"):
            list(PREPARE.recordings(tmp_path, None))
    file.unlink()
    (tmp_path / "seglearn-1.2.5.dist-info").mkdir()
    with pytest.raises(DataError, match=r"watch_dataset\.npy"):
        list(PREPARE.recordings(tmp_path, None))


@pytest.mark.slow
def test_real_package():
    found = list(PREPARE.recordings(None, None))
    assert len({one.id for one in found}) == 140 and len({one.subject for one in found}) == 10
    assert Counter(one.annotations["activity"][0].value for one in found) == dict.fromkeys(
        ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"], 20
    )
    assert (min(one.num_samples for one in found), max(one.num_samples for one in found)) == (947, 2618)
    assert sum(one.seconds for one in found) / 60 == pytest.approx(81.4, abs=0.05)
