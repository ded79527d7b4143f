from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_data import recording

from audiossl.errors import DataError
from audiossl.files import read_jsonl
from audiossl.signals.sensors.copies import Copies
from audiossl.signals.sensors.recording_set import write_recordings


def test_one_person_under_two_names_is_refused_before_anything_is_written(tmp_path):
    one = recording("a1", "a")
    one.values[0, 3] = np.nan
    with pytest.raises(DataError, match="b1 of b has the very samples of a1 of a: one person under two names"):
        write_recordings([one, recording("c1", "c", seed=1), replace(one, id="b1", subject="b")], tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_a_copy_of_the_same_person_is_listed_and_left_out(tmp_path):
    found = write_recordings([recording("a1", "a"), recording("a2", "a"), recording("a3", "a", seed=1)], tmp_path / "set")
    assert [row["id"] for row in found.rows] == ["a1", "a3"]
    (row,) = read_jsonl(tmp_path / "set" / "rejected.jsonl")
    assert row["id"] == "a2" and "very samples of a1" in row["reason"]


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(0, 1), st.sampled_from([0.0, np.nan, 1.5]))
def test_one_sample_makes_another_recording_and_rest_is_no_copy(sample, channel, value):
    copies, one = Copies(), recording("a1", "a", samples=1000)
    other = replace(one, id="b1", subject="b", values=one.values.copy())
    other.values[channel, sample] = value
    still = [replace(one, id=f"c{i}", subject=f"c{i}", values=np.full_like(one.values, value)) for i in range(2)]
    assert [copies.find(found) for found in (one, other, *still)] == [None] * 4
