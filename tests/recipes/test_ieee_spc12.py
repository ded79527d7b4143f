"""The training part of the IEEE Signal Processing Cup in miniature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from sensor_layouts import cut, only_rejection, prepare_of, pulse, recordings_of, write_spc_training

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation

PREPARE = prepare_of("ieee_spc12")


@pytest.fixture
def root(tmp_path):
    write_spc_training(tmp_path / "Training_data")
    return tmp_path


def test_sessions_are_people_with_one_pulse_channel(root):
    items = recordings_of(PREPARE, root)
    assert [item.subject for item in items] == [f"train{person:02d}" for person in range(1, 13)]
    first = items[0]
    assert (first.id, first.rate, first.channels, first.values.shape) == ("DATA_01_TYPE01", 25.0, ("ppg",), (1, 300))
    assert first.annotations["heart_rate"] == tuple(Annotation(2.0 * i, 2.0 * i + 8.0, 65.0) for i in range(3))
    assert len(recordings_of(PREPARE, root, limit=2)) == 2


def test_the_pulse_is_the_mean_of_equally_scaled_ppg_channels_without_drift(root):
    item = recordings_of(PREPARE, root, limit=1)[0]
    beats = np.sin(2 * np.pi * 65 / 60 * np.arange(300) / 25)
    assert np.corrcoef(item.values[0, 50:250], beats[50:250])[0, 1] > 0.999
    assert 0.9 < np.ptp(item.values[0]) <= 1.01
    one, other = pulse(12.0, 125, 65), pulse(12.0, 125, 90)
    np.testing.assert_allclose(
        PREPARE.mean_pulse(np.stack([one, other])), PREPARE.mean_pulse(np.stack([5 * one, other])), atol=1e-6
    )


def test_damaged_files_are_rejected_by_name(root):
    folder = root / "Training_data"
    cut(folder / "DATA_03_TYPE02.mat")
    assert only_rejection(recordings_of(PREPARE, root), "DATA_03_TYPE02.mat").id == "DATA_03_TYPE02"
    write_spc_training(folder)
    savemat(folder / "DATA_05_TYPE02.mat", {"other": np.eye(3)})
    only_rejection(recordings_of(PREPARE, root), "DATA_05_TYPE02.mat: expected a real matrix sig, got none")
    write_spc_training(folder)
    signal = loadmat(folder / "DATA_04_TYPE02.mat")["sig"]
    savemat(folder / "DATA_04_TYPE02.mat", {"sig": np.where(np.arange(signal.shape[1]) == 9, np.nan, signal)})
    only_rejection(recordings_of(PREPARE, root), "DATA_04_TYPE02.mat: expected 6 rows of finite samples")
    write_spc_training(folder)
    savemat(folder / "DATA_04_TYPE02_BPMtrace.mat", {"BPM0": np.full((9, 1), 70.0)})
    only_rejection(recordings_of(PREPARE, root), "DATA_04_TYPE02_BPMtrace.mat: expected 3 heart rates")
    write_spc_training(folder)
    savemat(folder / "DATA_04_TYPE02.mat", {"sig": np.zeros((6, 1500))})
    only_rejection(recordings_of(PREPARE, root), "DATA_04_TYPE02.mat: a PPG channel is constant")


def test_a_missing_file_is_named(root):
    (root / "Training_data" / "DATA_12_TYPE02_BPMtrace.mat").unlink()
    with pytest.raises(DataError, match=r"DATA_12_TYPE02_BPMtrace\.mat is not below"):
        list(PREPARE.recordings(root, None))
    with pytest.raises(DataError, match="data_root"):
        list(PREPARE.recordings(None, None))
