"""EDF files: steps become units, each signal is found among others of other rates, and damage is named."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from edf_files import write_edf, write_edf_notes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.signals.sensors.edf import EdfNote, read_edf_notes, read_edf_signal, read_edf_start


@pytest.fixture
def night(tmp_path):
    steps = np.random.default_rng(0).integers(-2048, 2048, 600)
    write_edf(
        tmp_path / "a.edf",
        [
            ("EEG Fpz-Cz", "uV", (-192, 192), steps),
            ("Temp rectal", "DegC", (34, 40), np.arange(6)),
            ("EOG", "uV", (-1, 1), -steps),
        ],
        record_seconds=2,
        num_records=3,
    )
    return tmp_path / "a.edf", steps


def test_a_signal_is_read_in_units_at_its_rate(night):
    path, steps = night
    eeg, temperature = read_edf_signal(path, "EEG Fpz-Cz"), read_edf_signal(path, "Temp rectal")
    assert (eeg.unit, eeg.rate, temperature.unit, temperature.rate) == ("uV", 100.0, "DegC", 1.0)
    np.testing.assert_allclose(eeg.values, -192 + (steps + 2048) * 384 / 4095, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(temperature.values, 34 + (np.arange(6) + 2048) * 6 / 4095, rtol=1e-6)
    np.testing.assert_allclose(read_edf_signal(path, "EOG").values, -1 + (2048 - steps) * 2 / 4095, atol=1e-6)
    assert read_edf_start(path) == datetime(1989, 4, 24, 16, 13)


def test_damage_is_named(night, tmp_path):
    path, _ = night
    whole = path.read_bytes()
    with pytest.raises(DataError, match=r"b\.edf is not there"):
        read_edf_signal(tmp_path / "b.edf", "EOG")
    with pytest.raises(DataError, match=r"a\.edf: expected a signal ECG, got EEG Fpz-Cz, Temp rectal, EOG"):
        read_edf_signal(path, "ECG")
    with pytest.raises(DataError, match=r"a\.edf: expected a signal 'EDF Annotations'"):
        read_edf_notes(path)
    for length, reason in [(0, "expected an EDF file"), (300, "expected"), (len(whole) - 1, "is cut short")]:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=rf"a\.edf: .*{reason}"):
            read_edf_signal(path, "EOG")
    for old, new, reason in [
        (b"3       2       3   ", b"x       2       3   ", "expected a number for records"),
        (b"3       2       3   ", b"-1      2       3   ", "expected signals and records"),
        (b"3       2       3   ", b"3       0       3   ", "last longer than 0 s"),
        (b"3       2       3   ", b"3       nan     3   ", "finite number for seconds"),
        (b"200     2       200 ", b"200     2.5     200 ", "whole samples"),
        (b"2047    ", b"-2048   ", "expected ranges"),
        (b"24.04.8916.13.001024    " + b" " * 5, b"24.04.8916.13.001024    EDF+D", "gaps"),
    ]:
        assert whole.count(old) >= 1
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(DataError, match=rf"a\.edf: .*{reason}"):
            read_edf_signal(path, "EOG")


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5), st.text("abcé? W", min_size=1)), min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_notes_come_back(tmp_path, notes):
    write_edf_notes(tmp_path / "n.edf", notes)
    assert read_edf_notes(tmp_path / "n.edf") == [EdfNote(float(onset), float(length), text) for onset, length, text in notes]


def test_notes_in_every_form_of_the_standard(tmp_path):
    raw = b"+0\x14\x14\x00" + b"-2\x1430 s before\x14and more\x14\x00" + b"+3.25\x152.5\x14c\x14\x00" + bytes(5)
    raw += bytes(len(raw) % 2)
    write_edf(tmp_path / "n.edf", [("EDF Annotations", "", (-1, 1), np.frombuffer(raw, "<i2"))], 0, 1)
    notes = [EdfNote(-2.0, 0.0, "30 s before"), EdfNote(-2.0, 0.0, "and more"), EdfNote(3.25, 2.5, "c")]
    assert read_edf_notes(tmp_path / "n.edf") == notes


def test_no_notes_are_an_error(tmp_path):
    write_edf(tmp_path / "n.edf", [("EDF Annotations", "", (-1, 1), np.zeros(8))], 0, 1)
    with pytest.raises(DataError, match=r"n\.edf: expected annotations, got none"):
        read_edf_notes(tmp_path / "n.edf")
