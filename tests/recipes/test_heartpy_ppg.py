"""The PPG of heartpy's wheel, in miniature and in truth."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_layouts import only_rejection, prepare_of, recordings_of, write_heartpy

from audiossl.errors import DataError

PREPARE = prepare_of("heartpy_ppg")


@pytest.fixture
def root(tmp_path):
    write_heartpy(tmp_path)
    return tmp_path


def test_segments_of_three_recordings(root):
    items = recordings_of(PREPARE, root)
    assert [item.id for item in items] == ["data_00", "data2_00", "data3_00", "data3_01"]
    assert len({item.subject for item in items}) == 4
    assert [item.custom["session"] for item in items] == ["data", "data2", "data3", "data3"]
    assert [item.values.shape for item in items] == [(1, 1750)] * 4
    for item, bpm in zip(items, (60, 72, 90, 90), strict=True):
        rates = item.annotations["heart_rate"]
        assert len(rates) == 32  # all windows of 70 s
        np.testing.assert_allclose([window.value for window in rates], bpm, rtol=0.01)
    assert [item.id for item in recordings_of(PREPARE, root, limit=2)] == ["data_00", "data2_00"]


def test_beats_are_found_where_they_are_and_uneven_windows_have_no_rate():
    beats = PREPARE.find_beats(np.sin(2 * np.pi * 1.25 * np.arange(3000) / 100), 100.0)
    np.testing.assert_allclose(beats, 0.2 + 0.8 * np.arange(len(beats)), atol=0.006)
    assert len(beats) == 38
    beats = np.delete(np.arange(0.5, 30), 10)  # the beat at 10.5 s is missed: no window spans 9.5 to 11.5 s
    starts = [window.start for window in PREPARE.pseudo_rates(beats, 30.0)]
    assert starts == [0.0, 2.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 22.0]
    assert PREPARE.pseudo_rates(np.array([1.0, 3.0, 5.0, 7.0]), 8.0) == ()


def test_damaged_files_are_rejected_by_name(root):
    folder = root / "heartpy" / "data"
    dated, timed = (folder / "data3.csv").read_text(), (folder / "data2.csv").read_text()
    (folder / "data.csv").write_text("530\n51x\n")
    assert only_rejection(recordings_of(PREPARE, root), "data.csv: expected numbers").id == "data"
    (folder / "data.csv").write_text("530\nnan\n")
    only_rejection(recordings_of(PREPARE, root), "data.csv: expected finite samples")
    (folder / "data.csv").write_text("530\n518\n")
    only_rejection(recordings_of(PREPARE, root), "data.csv: expected a stretch")
    write_heartpy(root)
    for text, reason in [
        (dated.replace("hr", "pulse", 1), "data3.csv: expected a column hr"),
        (dated[: len(dated) // 2].rpartition(",")[0], "data3.csv: expected a column hr"),
        (dated.replace("2016", "16th", 1), "data3.csv: expected dates and times"),
        (dated.replace("13:58:58.081", "13:57:58.081", 1), "data3.csv: expected times that go on without gaps"),
    ]:
        (folder / "data3.csv").write_text(text)
        only_rejection(recordings_of(PREPARE, root), reason)
    write_heartpy(root)
    (folder / "data2.csv").write_text(timed.replace("8.547009", "-8.547009", 1))
    only_rejection(recordings_of(PREPARE, root), "data2.csv: expected times that go on")


def test_a_missing_file_is_named(root):
    (root / "heartpy" / "data" / "data2.csv").unlink()
    with pytest.raises(DataError, match=r"data2\.csv is not there"):
        list(PREPARE.recordings(root, None))


@pytest.mark.slow  # fetches 1 MB
def test_the_real_wheel():
    items = recordings_of(PREPARE, None)
    assert len(items) == 14
    assert sum(len(item.annotations["heart_rate"]) for item in items) == 315
    medians = {
        name: np.median([w.value for item in items if item.custom["session"] == name for w in item.annotations["heart_rate"]])
        for name in ("data", "data2", "data3")
    }
    assert medians == pytest.approx({"data": 59, "data2": 64, "data3": 97}, abs=2)
