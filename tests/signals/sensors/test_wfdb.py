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
