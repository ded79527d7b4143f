"""PPG-DaLiA in miniature, unpacked and as the archive that its archive holds."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from sensor_layouts import cut, dalia_pickle, only_rejection, prepare_of, recordings_of, write_dalia, write_dalia_archive

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation

PREPARE = prepare_of("dalia")


def test_one_recording_a_person(tmp_path):
    write_dalia(tmp_path / "unpacked")
    write_dalia_archive(tmp_path / "packed")
    items = recordings_of(PREPARE, tmp_path / "unpacked")
    assert [item.subject for item in items] == [f"S{person}" for person in range(1, 16)]
    assert {(item.rate, item.channels, item.values.shape) for item in items} == {(25.0, ("ppg",), (1, 325))}
    assert items[4].annotations["heart_rate"] == tuple(Annotation(2.0 * i, 2.0 * i + 8.0, 70.0) for i in range(3))
    beats = np.sin(2 * np.pi * 70 / 60 * np.arange(325) / 25)
    assert np.corrcoef(items[4].values[0, 50:-50], beats[50:-50])[0, 1] > 0.999
    packed = recordings_of(PREPARE, tmp_path / "packed", limit=3)
    assert len(packed) == 3
    for one, other in zip(items, packed, strict=False):
        np.testing.assert_array_equal(one.values, other.values)


def test_damaged_files_are_rejected_by_name(tmp_path):
    file = tmp_path / "PPG_FieldStudy" / "S3" / "S3.pkl"
    write_dalia(tmp_path)
    cut(file)
    assert only_rejection(recordings_of(PREPARE, tmp_path), "S3.pkl is not a whole pickle").id == "S3"
    content = pickle.loads(dalia_pickle(3))
    for change, reason in [
        ({"label": content["label"][:-1]}, "S3.pkl: expected 3 heart rates"),
        ({"label": content["label"] * np.nan}, "S3.pkl: expected finite heart rates"),
        ({"signal": {"wrist": {"BVP": content["signal"]["wrist"]["BVP"].ravel()}}}, "S3.pkl: expected finite samples x 1"),
        ({"signal": {"wrist": {}}}, "S3.pkl: expected the key signal/wrist/BVP"),
        ({"signal": {"wrist": {"BVP": "text"}}}, "S3.pkl: expected an array of numbers in signal/wrist/BVP, got str"),
    ]:
        file.write_bytes(pickle.dumps(content | change, 2))
        only_rejection(recordings_of(PREPARE, tmp_path), reason)


def test_a_file_that_would_run_a_command_is_rejected(tmp_path):
    write_dalia(tmp_path)
    (tmp_path / "PPG_FieldStudy" / "S2" / "S2.pkl").write_bytes(pickle.dumps({"label": os.system}, 2))
    only_rejection(recordings_of(PREPARE, tmp_path), "S2.pkl is a pickle that asks for")


def test_missing_files_are_named(tmp_path):
    write_dalia(tmp_path / "some", people=range(1, 15))
    with pytest.raises(DataError, match=r"S15/S15\.pkl is neither below"):
        list(PREPARE.recordings(tmp_path / "some", None))
    write_dalia_archive(tmp_path / "packed")
    cut(tmp_path / "packed" / "data.zip")
    with pytest.raises(DataError, match=r"data\.zip is not a whole archive"):
        list(PREPARE.recordings(tmp_path / "packed", None))
