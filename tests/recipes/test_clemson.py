"""Clemson pedometer data in miniature."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensor_layouts import only_rejection, prepare_of, recordings_of, write_clemson

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation

PREPARE = prepare_of("clemson")


@pytest.fixture
def root(tmp_path):
    write_clemson(tmp_path)
    return tmp_path


def test_the_regular_walk_of_each_person(root):
    items = recordings_of(PREPARE, root)
    assert [item.subject for item in items] == [f"P{person:03d}" for person in range(1, 31)]
    assert (items[0].id, items[0].rate, items[0].channels, items[0].units) == ("P001_Regular", 15.0, ("acc_magnitude",), ("g",))
    np.testing.assert_allclose(items[0].values, np.ones((1, 1000)), rtol=1e-6)
    # Steps every 9 samples from sample 5 on: 53 in [0, 480), 47 in [480, 960) of which the last is at 896. Shifts do not count.
    assert items[0].annotations["steps"] == (Annotation(0.0, 32.0, 53.0), Annotation(32.0, 64.0, 47.0))
    assert len(recordings_of(PREPARE, root, limit=2)) == 2


@given(st.lists(st.integers(0, 2000), max_size=60), st.integers(2001, 3000))
def test_counts_are_those_of_a_slow_count(places, num_samples):
    windows = PREPARE.count_steps(np.array(places, np.int64), num_samples)
    assert len(windows) == num_samples // 480
    for window in windows:
        assert window.value == sum(window.start * 15 <= place < window.end * 15 for place in places)


def test_damaged_files_are_rejected_by_name(root):
    folder = root / "P007" / "Regular"
    samples, steps = folder / "P007_Regular.txt", folder / "steps.txt"
    whole, marks = samples.read_text(), steps.read_text()
    samples.write_text(whole[:-30])
    assert only_rejection(recordings_of(PREPARE, root), "P007_Regular.txt: expected lines of nine numbers").id == "P007_Regular"
    samples.write_text(whole.replace("0.6000", "nan", 1))
    only_rejection(recordings_of(PREPARE, root), "P007_Regular.txt: expected finite numbers")
    samples.write_text(whole.replace("0.6000", "0.6x", 1))
    only_rejection(recordings_of(PREPARE, root), "P007_Regular.txt: expected numbers")
    samples.write_text(whole[: len(whole) // 2].rpartition("\n")[0])  # whole lines, but fewer than there are steps
    only_rejection(recordings_of(PREPARE, root), "steps.txt: a step at sample 896 lies behind the last of")
    samples.write_text(whole)
    for line in ("12", "12 nose", "-3 left", "1.5 left"):
        steps.write_text(f"{marks}{line}\n")
        only_rejection(recordings_of(PREPARE, root), f"steps.txt: expected lines such as '1234 left', got '{line}'")


def test_missing_files_are_named(root):
    (root / "P030" / "Regular" / "steps.txt").unlink()
    with pytest.raises(DataError, match=r"P030/Regular/steps\.txt is not there"):
        list(PREPARE.recordings(root, None))
    write_clemson(root)
    (root / "P029" / "Regular" / "P029_Regular.txt").unlink()
    with pytest.raises(DataError, match=r"expected one file of samples beside .*P029/Regular/steps\.txt, got 0"):
        list(PREPARE.recordings(root, None))
