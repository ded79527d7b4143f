"""UCI HAR: the miniature in its true form and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imu_layouts import imu_values, write_uci_har

from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.sensors.recording import Annotation, Rejected

PREPARE = load_script(Path(__file__).resolve().parents[2] / "recipes/uci_har/prepare.py", functions=("recordings",)).module


def test_miniature(tmp_path):
    write_uci_har(tmp_path)
    found = list(PREPARE.recordings(tmp_path, None))
    assert [one.id for one in found] == [
        f"{side}_{number:05d}" for line in (1, 2) for side in ("train", "test") for number in (line, line + 2)
    ]
    assert [one.subject for one in found] == ["user01", "user02", "user11", "user12"] * 2
    named = {one.id: one for one in found}
    third = named["test_00003"]
    assert (third.subject, third.rate, third.custom) == ("user12", 50.0, {"side": "test"})
    assert third.annotations == {"activity": (Annotation(0.0, 2.56, "downstairs"),)}
    assert third.channels[0::3] == ("acc_x", "gyro_x", "body_acc_x") and third.units[0::3] == ("g", "rad/s", "g")
    # The generator numbers its files body_acc, body_gyro, total_acc.
    for channel, place in (("acc_y", 7), ("gyro_x", 3), ("body_acc_z", 2)):
        expected = imu_values(128, 10 * place + 2 + 100)[:, 0]
        np.testing.assert_allclose(third.values[third.channels.index(channel)], expected, rtol=1e-5, atol=1e-6)
    for one, again in zip(found, PREPARE.recordings(tmp_path, None), strict=True):
        assert (one.id, one.annotations) == (again.id, again.annotations)
        np.testing.assert_array_equal(one.values, again.values)
    assert {one.subject for one in PREPARE.recordings(tmp_path, 2)} == {"user01", "user02"}


def test_sides_share_no_person(tmp_path):
    write_uci_har(tmp_path)
    people = {
        side: {one.subject for one in PREPARE.recordings(tmp_path, None) if one.custom["side"] == side}
        for side in ("train", "test")
    }
    assert not people["train"] & people["test"]


@pytest.mark.parametrize(
    ("file", "line", "reason"),
    [
        ("Inertial Signals/total_acc_y_train.txt", " 1.0 2.0", "128 numbers in total_acc_y, got 2"),
        ("Inertial Signals/body_gyro_z_train.txt", " x" * 128, "could not convert"),
        ("y_train.txt", "7", "activity from 1 to 6, got '7'"),
        ("subject_train.txt", "?", "number of a person"),
    ],
)
def test_a_damaged_window_is_rejected(tmp_path, file, line, reason):
    path = write_uci_har(tmp_path) / "train" / file
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")
    found = {one.id: one for one in PREPARE.recordings(tmp_path, None)}
    rejected = [one for one in found.values() if isinstance(one, Rejected)]
    assert [one.id for one in rejected] == ["train_00002"] and len(found) == 8
    assert reason in rejected[0].reason and f"{path.parents[len(Path(file).parts) - 1]}, line 2" in rejected[0].reason


def test_a_cut_or_missing_file_is_named(tmp_path):
    folder = write_uci_har(tmp_path)
    cut = folder / "test" / "Inertial Signals" / "body_acc_x_test.txt"
    cut.write_text(cut.read_text().splitlines()[0])
    with pytest.raises(DataError, match=r"body_acc_x_test\.txt 1,"):
        list(PREPARE.recordings(tmp_path, None))
    cut.unlink()
    with pytest.raises(DataError, match=r"lacks test/Inertial Signals/body_acc_x_test\.txt"):
        list(PREPARE.recordings(tmp_path, None))
