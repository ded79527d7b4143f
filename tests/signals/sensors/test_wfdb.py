"""WFDB records: steps become units as the header says, and forms of gains and rates that the format allows are read."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from audiossl.errors import DataError
from audiossl.signals.sensors.wfdb import read_wfdb_record


def write(folder, gain, rate="500", comments="#Dx: 426783006,164889003"):
    (folder / "R1.hea").write_text(
        f"R1 2 {rate} 3\nR1.mat 16+24 {gain} 16 0 0 0 0 II\nR1.mat 16+24 100 16 0 0 0 0 V2\n{comments}\n"
    )
    savemat(folder / "R1.mat", {"val": np.array([[100, 200, -32768], [0, 50, 100]], np.int16)})
    return folder / "R1.hea"


@pytest.mark.parametrize(
    ("gain", "expected", "unit"),
    [("1000/mV", [0.1, 0.2], "mV"), ("100(50)/uV", [0.5, 1.5], "uV"), ("2e2", [0.5, 1.0], "mV"), ("200(-100)", [1.0, 1.5], "mV")],
)
def test_steps_become_units_and_missing_ones_nan(tmp_path, gain, expected, unit):
    record = read_wfdb_record(write(tmp_path, gain))
    np.testing.assert_allclose(record.values, [[*expected, np.nan], [0.0, 0.5, 1.0]], rtol=1e-6)
    assert (record.units, record.channels, record.rate) == ((unit, "mV"), ("II", "V2"), 500.0)


@pytest.mark.parametrize(("rate", "expected"), [("500", 500.0), ("360.5", 360.5), ("500/1000(5)", 500.0)])
def test_rates(tmp_path, rate, expected):
    assert read_wfdb_record(write(tmp_path, "1000/mV", rate)).rate == expected


@pytest.mark.parametrize(
    "comments", ["#Dx: 426783006,164889003", "# Dx: 426783006, 164889003", "#Age: 7\n#Dx:426783006\n#Dx:164889003"]
)
def test_diagnoses_in_every_spelling(tmp_path, comments):
    assert read_wfdb_record(write(tmp_path, "1000/mV", comments=comments)).codes == ("426783006", "164889003")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"R2\.hea is not there"):
        read_wfdb_record(tmp_path / "R2.hea")
    write(tmp_path, "1000/mV")
    (tmp_path / "R1.mat").unlink()
    with pytest.raises(DataError, match=r"R1\.mat is not there"):
        read_wfdb_record(tmp_path / "R1.hea")


def record(folder, *signals, steps, first="R1 {count} 360 {size}"):
    steps = np.array(steps)
    head = first.format(count=len(signals), size=steps.shape[1])
    (folder / "R1.hea").write_text("\n".join([head, *(f"R1.mat {signal}" for signal in signals)]) + "\n")
    savemat(folder / "R1.mat", {"val": steps})
    return read_wfdb_record(folder / "R1.hea")


@pytest.mark.parametrize(
    ("line", "step", "expected", "unit", "name"),
    [
        ("16+24 200 11 1024 995 0 0 MLII", 1224, 1.0, "mV", "MLII"),  # wfdb-app-toolbox#104: the zero of the converter
        ("16+24 200(0)/mV 11 1024 995 0 0 MLII", 200, 1.0, "mV", "MLII"),  # a baseline that is given
        ("16+24 0 12 0 0 0 0 V1", 100, 0.5, "mV", "V1"),  # wfdb-python#39: not calibrated
        ("16+24 0/uV 12 0 0 0 0 V1", 100, 0.5, "uV", "V1"),
        ("16", 100, 0.5, "mV", "record R1, signal 0"),  # the fields that are always there
        ("16+24 100", 100, 1.0, "mV", "record R1, signal 0"),
        ("16+24 100/g 16 10", 110, 1.0, "g", "record R1, signal 0"),
        ("16+24 1000/mV 16 0 0 0 0 ECG lead II", 500, 0.5, "mV", "ECG lead II"),
        ("16x1:0+0 2e2 16 0 0 0 0 I", 100, 0.5, "mV", "I"),
    ],
)
def test_what_a_line_leaves_out_is_what_the_manual_says(tmp_path, line, step, expected, unit, name):
    found = record(tmp_path, line, steps=[[step]])
    assert (found.values.item(), found.units, found.channels) == (pytest.approx(expected), (unit,), (name,))


@pytest.mark.parametrize(
    ("form", "missing"),
    [
        (80, -128), (508, -128), (310, -512), (311, -512), (212, -2048), (16, -32768), (61, -32768), (160, -32768), (516, -32768),
        (24, -8388608), (524, -8388608), (32, -2147483648),
    ],
)  # fmt: skip
def test_missing_samples_are_those_of_the_format(tmp_path, form, missing):
    """wfdb-python#7: -2^31 is no voltage. A value that stands for nothing in one format is a sample in another."""
    others = {-128, -512, -2048, -32768, -8388608} - {missing}
    others = [value for value in sorted(others) if value > missing]
    found = record(tmp_path, f"{form}+24 1 16 0 0 0 0 I", steps=np.array([[missing, *others, 7]], np.int32))
    np.testing.assert_array_equal(found.values, [[np.nan, *others, 7]])


def test_each_signal_has_its_own_zero_and_missing_value(tmp_path):
    found = record(
        tmp_path, "212+24 1 11 5 0 0 0 I", "16+24 1 16 0 0 0 0 II", steps=np.array([[-2048, 5], [-2048, -32768]], np.int32)
    )
    np.testing.assert_array_equal(found.values, [[np.nan, 0], [-2048, np.nan]])


@pytest.mark.parametrize(("first", "rate"), [("R1 {count}", 250.0), ("R1 {count} 100", 100.0), ("R1 {count} 100/50(3) 0", 100.0)])
def test_a_first_line_may_leave_out_rate_and_length(tmp_path, first, rate):
    found = record(tmp_path, "16", steps=[[1, 2, 3]], first=first)
    assert (found.rate, found.values.shape) == (rate, (1, 3))


@pytest.mark.parametrize(
    ("line", "first", "said"),
    [
        ("16:3+24 200 16 0 0 0 0 II", None, "II: expected no skew between signals, got 3 samples"),
        ("16x4+24 200 16 0 0 0 0 II", None, "II: expected one sample a frame, got 4"),
        ("16+1000 200 16 0 0 0 0 II", None, "II: expected the 24 bytes of a MATLAB header before samples, got 1000"),
        ("17+24 200 16 0 0 0 0 II", None, "II: expected a format such as"),
        ("16+24 1000mV 16 0 0 0 0 II", None, "II: expected a gain such as '1000/mV', got '1000mV'"),
        ("16+24 1000/mV 16 half 0 0 0 II", None, "II: expected a whole number of steps, got 'half'"),
        ("", None, "record R1, signal 0: expected a file and a format"),
        ("16", "R1/3 {count} 360 {size}", "expected a record of one segment, got R1/3"),
        ("16", "R1 {count} -1 {size}", "a rate above 0"),
        ("16", "R1", "expected a first line such as"),
        ("16", "R1 2 360 {size}", "expected 2 lines, a signal each, got 1"),
        ("16", "R1 {count} 360 9", r"R1\.mat: expected 1 x 9 samples as R1\.hea says, got \(1, 3\)"),
    ],
)
def test_what_is_not_read_is_refused_by_name(tmp_path, line, first, said):
    with pytest.raises(DataError, match=said):
        record(tmp_path, line, steps=[[1, 2, 3]], **({"first": first} if first else {}))


def test_samples_elsewhere_are_named(tmp_path):
    (tmp_path / "100.hea").write_text("100 1 360 4\n100.dat 212 200 11 1024 995 -22131 0 MLII\n")
    with pytest.raises(DataError, match=r"100\.mat is not there: .* 100\.hea names 100\.dat"):
        read_wfdb_record(tmp_path / "100.hea")


def test_formats_without_a_sign_begin_at_their_middle(tmp_path):
    eight = record(tmp_path, "80+24 1 8 0 0 0 0 I", steps=np.array([[128, 129, 127, 0]], np.uint8))
    np.testing.assert_array_equal(eight.values, [[0, 1, -1, np.nan]])
    sixteen = record(tmp_path, "160+24 1 16 0 0 0 0 I", steps=np.array([[32768, 32769, 65535, 0]], np.uint16))
    np.testing.assert_array_equal(sixteen.values, [[0, 1, 32767, np.nan]])
    signed = record(tmp_path, "80+24 1 8 0 0 0 0 I", steps=np.array([[0, 1, -1, -128]], np.int16))
    np.testing.assert_array_equal(signed.values, [[0, 1, -1, np.nan]])


def test_differences_are_no_samples(tmp_path):
    with pytest.raises(DataError, match=r"R1\.hea: I: expected samples, got differences between them \(format 8\)"):
        record(tmp_path, "8+24 1 8 0 0 0 0 I", steps=[[1, 1, 1]])
