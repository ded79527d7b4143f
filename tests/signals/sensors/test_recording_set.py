import resource
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from sensor_data import people, recording

from audiossl.errors import DataError, StoreError
from audiossl.files import read_json, read_jsonl
from audiossl.signals.sensors.recording import Annotation, Rejected
from audiossl.signals.sensors.recording_set import RecordingSet, write_recordings
from audiossl.signals.sensors.statistics import ChannelStatistics
from audiossl.signals.sensors.windows import WindowConfig, WindowSet, cut_windows


def test_what_is_read_is_what_was_written(tmp_path):
    written = [replace(recording(), custom={"session": "s1"}), recording("b1", "b", seed=1)]
    written[0].values[0, 3] = np.nan
    write_recordings(written, tmp_path / "set")
    for before, after in zip(written, RecordingSet(tmp_path / "set").recordings, strict=True):
        np.testing.assert_array_equal(after.values, before.values)
        assert replace(after, values=before.values) == replace(before, values=before.values)


def test_rejected_recordings_are_listed_and_counted(tmp_path):
    write_recordings([Rejected("bad", "bad.csv is cut short"), *people(3)], tmp_path / "set")
    assert read_jsonl(tmp_path / "set" / "rejected.jsonl") == [{"id": "bad", "reason": "bad.csv is cut short"}]
    counts = read_json(tmp_path / "set" / "set.json")
    assert counts == {"recordings": 3, "subjects": 3, "hours": 0.008, "rejected": 1}


@pytest.mark.parametrize(
    ("recordings", "message"),
    [
        ([recording(), recording()], "'a1' comes twice"),
        ([recording(), recording("b1", "b", rate=25.0)], "b1 has 25.0 Hz"),
        ([Rejected("bad", "bad.csv is empty")], "no recording could be used. bad: bad.csv is empty"),
        ([], "yielded none"),
    ],
)
def test_sets_that_make_no_sense_are_refused_and_leave_nothing(tmp_path, recordings, message):
    with pytest.raises(DataError, match=message):
        write_recordings(recordings, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_labels_that_are_not_known_come_back(tmp_path):
    marks = {"hr": (Annotation(0.0, 2.0, float("nan")), Annotation(2.0, 4.0, None), Annotation(4.0, 6.0, 61.5))}
    (found,) = write_recordings([recording(annotations=marks)], tmp_path / "set")
    assert [stretch.value for stretch in found.annotations["hr"]] == [None, None, 61.5]


def test_whole_numbers_in_a_set_of_old_are_the_quantities_that_they_were(tmp_path):
    write_recordings([recording(annotations={"act": (Annotation(0.0, 2.0, 3.0),)})], tmp_path / "set")
    manifest = tmp_path / "set" / "recordings.jsonl"
    manifest.write_text(manifest.read_text().replace("3.0]", "3]"))
    assert "3]" in manifest.read_text()
    (found,) = RecordingSet(tmp_path / "set")
    assert found.annotations["act"][0].value == 3.0


def test_damaged_sets_are_named(tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(StoreError, match=r"expected recordings\.jsonl"):
        RecordingSet(folder)
    write_recordings(people(2), folder)
    file = folder / "values" / "p1_1.npy"
    np.save(file, np.zeros((2, 3), np.float32))
    with pytest.raises(StoreError, match=r"p1_1.npy holds \(2, 3\), its manifest says \(2, 500\)"):
        _ = RecordingSet(folder).recordings
    file.write_bytes(b"not an array")
    with pytest.raises(StoreError, match=r"p1_1.npy cannot be read"):
        _ = RecordingSet(folder).recordings
    file.unlink()
    with pytest.raises(StoreError, match="lacks the values of 1 recordings"):
        RecordingSet(folder)


FILES = Path("/proc/self/fd")


@contextmanager
def open_files_at_most(more):
    """Allow so many open files beyond those that there are."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_open = {int(path.name) for path in FILES.iterdir()}
    free = (number for number in count() if number not in is_open)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(islice(free, more, None)), limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.skipif(not FILES.is_dir(), reason="open files are counted in /proc")
def test_more_recordings_than_open_files_can_be_windowed(tmp_path):
    """UCI HAR has 10,299 recordings; most systems allow 1,024 open files."""
    write_recordings(people(60, samples=60), tmp_path / "set")
    config = WindowConfig(seconds=1.0, hop=1.0)
    with open_files_at_most(20):
        found = RecordingSet(tmp_path / "set")
        statistics = ChannelStatistics.fit(found, found.subjects)
        windows = WindowSet(found, cut_windows(found, config, "activity"), "training", statistics)
        with pytest.raises((OSError, StoreError)):
            _ = found.recordings  # all at once
    assert len(windows) == len(found) == 60
    assert [recording.id for recording in found[3:5]] == ["p3_1", "p4_1"]
