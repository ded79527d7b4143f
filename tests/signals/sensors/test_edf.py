"""EDF files: steps become units, each signal is found among others of other rates, and damage is named."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from edf_files import stamped, write_edf, write_edf_notes
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
        (b"3       2       3   ", b"-2      2       3   ", "expected signals and records"),
        (b"3       2       3   ", b"4       2       3   ", "is cut short"),
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


def recorded(path, records, stamps=(), kind="EDF+C", seconds=1, **options):
    """A signal X of 10 samples a record, counting up, and an annotation signal with a part of each record."""
    steps = np.arange(10 * records)
    signals = [("X", "uV", (-2048, 2047), steps)]
    signals += [("EDF Annotations", "", (-1, 1), stamped(list(part))) for part in stamps]
    write_edf(path, signals, seconds, records, kind, **options)
    return steps


def test_notes_count_from_the_first_sample_where_a_file_starts_within_a_second(tmp_path):
    """mne-python#7872, fieldtrip#1425, eeglab#168."""
    parts = [b"+%d.25\x14\x14\x00" % i for i in range(3)]
    parts[1] += b"+1.75\x15.5\x14no\x14\x00+1.75\x150.5\x14stimulus\x14\x00"
    recorded(tmp_path / "n.edf", 3, [parts])
    with pytest.warns(UserWarning, match=r"n\.edf: record 1 holds an annotation that is not written as EDF\+ says: .*no"):
        assert read_edf_notes(tmp_path / "n.edf") == [EdfNote(1.5, 0.5, "stimulus")]
    assert read_edf_start(tmp_path / "n.edf") == datetime(1989, 4, 24, 16, 13, 0, 250_000)


def test_every_annotation_signal_is_read_in_the_order_of_records(tmp_path):
    first = [b"+0\x14\x14\x00+0.1\x14a\x14\x00", b"+1\x14\x14and b\x14\x00"]
    second = [b"+0.2\x14c\x14\x00", b"+1.3\x14d\x14\x00"]
    recorded(tmp_path / "n.edf", 2, [first, second])
    notes = [(note.onset, note.text) for note in read_edf_notes(tmp_path / "n.edf")]
    assert notes == [(0.1, "a"), (0.2, "c"), (1.0, "and b"), (1.3, "d")]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.floats(0, 0.999), st.sampled_from([1, 0.3]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_gaps_of_an_interrupted_file_are_missing_samples(tmp_path, gaps, late, seconds):
    """Gaps in samples before each record but the first; times are written with four digits, and shifted by a part of a second."""
    starts = np.cumsum([0, *(10 + gap for gap in gaps)])
    stamps = [f"+{start * seconds / 10 + late:.4f}\x14\x14\x00".encode() for start in starts]
    steps = recorded(tmp_path / "d.edf", len(starts), [stamps], "EDF+D", seconds)
    found = read_edf_signal(tmp_path / "d.edf", "X").values
    expected = np.full(starts[-1] + 10, np.nan)
    for number, start in enumerate(starts):
        expected[start : start + 10] = steps[10 * number : 10 * number + 10]
    np.testing.assert_array_equal(found, expected)


def test_an_interrupted_file_needs_times_that_make_sense(tmp_path):
    for stamps, said in [
        ([b"+0\x14\x14\x00", b"+0.5\x14\x14\x00"], "record 1 begins before the one before it ends"),
        ([b"+0\x14\x14\x00", b"\0"], "record 1 has none"),
        ([b"+0\x14\x14\x00", b"+99999999999\x14\x14\x00"], "at most"),
    ]:
        recorded(tmp_path / "d.edf", 2, [stamps], "EDF+D")
        with pytest.raises(DataError, match=rf"d\.edf: .*{said}"):
            read_edf_signal(tmp_path / "d.edf", "X")


@pytest.mark.parametrize("promised", [-1, 0, 2])
def test_a_file_that_was_never_closed_is_read_to_its_end(tmp_path, promised):
    steps = recorded(tmp_path / "a.edf", 4, promised=promised)
    with (tmp_path / "a.edf").open("ab") as file:
        file.write(bytes(7))  # a part of the next record
    np.testing.assert_array_equal(read_edf_signal(tmp_path / "a.edf", "X").values, steps)


def test_headers_filled_by_zero_bytes_and_signals_without_samples_are_read(tmp_path):
    steps = np.arange(20)
    signals = [("none", "", (0, 1), np.zeros(0)), ("X", "uV", (-2048, 2047), steps)]
    write_edf(tmp_path / "a.edf", signals, 1, 2, pad="\0")
    found = read_edf_signal(tmp_path / "a.edf", "X")
    assert (found.unit, found.rate) == ("uV", 10.0)
    np.testing.assert_array_equal(found.values, steps)
    with pytest.raises(DataError, match=r"a\.edf: expected samples of none"):
        read_edf_signal(tmp_path / "a.edf", "none")


def test_two_signals_of_one_name_are_not_told_apart(tmp_path):
    write_edf(tmp_path / "a.edf", [("X", "uV", (0, 1), np.zeros(2)), ("X", "mV", (0, 1), np.zeros(2))], 1, 2)
    with pytest.raises(DataError, match="expected one signal X, got X, X"):
        read_edf_signal(tmp_path / "a.edf", "X")


def write_with_stamps(path, records, kind="EDF+C"):
    steps = np.arange(4 * len(records))
    write_edf(
        path,
        [("EMG", "uV", (-2048, 2047), steps), ("EDF Annotations", "", (-1, 1), stamped(records))],
        1,
        len(records),
        kind=kind,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Anfälle".encode(), "Anfälle"), ("Anfälle".encode("latin1"), "Anfälle"), (b"\xb5-arousal", "µ-arousal")],
)
def test_texts_are_utf_8_or_latin_1(tmp_path, text, expected):
    write_with_stamps(tmp_path / "a.edf", [b"+0\x14\x14\0", b"+1\x14\x14\0+1.5\x14" + text + b"\x14\0"])
    assert read_edf_notes(tmp_path / "a.edf") == [EdfNote(1.5, 0.0, expected)]


def test_a_note_may_fill_its_record_and_none_is_passed_over(tmp_path):
    path, size = tmp_path / "a.edf", 20
    full = (b"+1\x14\x14\0+1.5\x14" + b"b" * size)[: size - 1] + b"\x14"
    steps = np.frombuffer(b"+0\x14\x14\0".ljust(size, b"\0") + full, "<i2")
    write_edf(path, [("EMG", "uV", (-1, 1), np.arange(8)), ("EDF Annotations", "", (-1, 1), steps)], 1, 2, kind="EDF+C")
    assert read_edf_notes(path) == [EdfNote(1.5, 0.0, "b" * 9)]
    for broken in (b"1.5\x14no sign\x14\0", b"+1,5\x14comma\x14\0", b"+1.5\x14no end\0"):
        write_with_stamps(path, [b"+0\x14\x14\0+0.5\x14wake\x14\0", b"+1\x14\x14\0" + broken])
        with pytest.warns(UserWarning, match=r"a\.edf: record 1 holds an annotation that .*(no sign|comma|no end)"):
            assert read_edf_notes(path) == [EdfNote(0.5, 0.0, "wake")]


def test_a_gap_that_only_time_stamps_tell_of(tmp_path):
    path = tmp_path / "a.edf"
    write_with_stamps(path, [b"+0.5\x14\x14\0", b"+1.5\x14\x14\0", b"+12.5\x14\x14\0+12.75\x14stimulus\x14\0"])
    values = read_edf_signal(path, "EMG").values
    assert read_edf_notes(path) == [EdfNote(12.25, 0.0, "stimulus")]
    assert len(values) == 13 * 4 and values[49] == 9 and np.isnan(values[8:48]).all()
    # Stamps that are all alike, or off by little, tell of none.
    for stamps in ([b"+0", b"+0", b"+0"], [b"+0", b"+1.01", b"+2.02"]):
        write_with_stamps(path, [stamp + b"\x14\x14\0" for stamp in stamps])
        assert len(read_edf_signal(path, "EMG").values) == 12
