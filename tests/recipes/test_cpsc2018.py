"""CPSC2018 in miniature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat
from sensor_layouts import cut, only_rejection, prepare_of, recordings_of, write_cpsc, write_ecg

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation, Rejected

PREPARE = prepare_of("cpsc2018")


@pytest.fixture
def root(tmp_path):
    write_cpsc(tmp_path)
    return tmp_path


def test_records_have_four_leads_and_one_class(root):
    items = recordings_of(PREPARE, root)
    assert [item.id for item in items] == ["A0001", "A0002", "A0003", "A0004"]
    assert items[0].subject == "A0001"
    assert (items[0].rate, items[0].channels, items[0].units) == (100.0, ("I", "II", "III", "V2"), ("mV",) * 4)
    assert [item.values.shape for item in items[:3]] == [(4, 1500), (4, 1000), (4, 1101)]
    assert items[0].annotations["rhythm"] == (Annotation(0.0, 15.0, "normal"),)
    # Two diagnoses: the code that is first as text, whatever the order in the header.
    assert (items[1].annotations["rhythm"][0].value, items[1].custom["codes"]) == ("AF", "59118001,164889003")
    assert items[2].annotations["rhythm"][0].value == "PVC"
    beat = 0.5 * np.sin(2 * np.pi * np.arange(1500) / 100)
    for row, place in enumerate((0, 1, 2, 7)):  # the layout gives lead k a level of k / 10 mV
        np.testing.assert_allclose(items[0].values[row, 30:-30], place / 10 + beat[30:-30], atol=3e-3)
    assert [item.id for item in recordings_of(PREPARE, root, limit=2)] == ["A0001", "A0002"]


def test_short_records_are_rejected(root):
    assert only_rejection(recordings_of(PREPARE, root), "A0004.hea: 9 s is shorter").id == "A0004"


def test_damaged_records_are_rejected_by_name(root):
    folder = root / "training" / "cpsc_2018" / "g1"
    header, samples = folder / "A0002.hea", folder / "A0002.mat"
    text = header.read_text()

    def reason():
        (rejected,) = (item for item in recordings_of(PREPARE, root) if isinstance(item, Rejected) and item.id == "A0002")
        return rejected.reason

    cut(samples)
    assert "A0002.mat is not a whole MATLAB file" in reason()
    savemat(samples, {"other": np.zeros((12, 5000))})
    assert "A0002.mat: expected a real matrix val" in reason()
    savemat(samples, {"val": np.zeros((12, 4999))})
    assert "A0002.mat: expected 12 x 5000 samples" in reason()
    write_ecg(folder, "A0002", "164865005")
    assert "A0002.hea: no diagnosis among 164865005 has a class" in reason()
    write_ecg(folder, "A0002", "")
    assert "no diagnosis among none" in reason()
    write_ecg(folder, "A0002", "426783006")
    for wrong, expected in [
        (text.replace(" V2\n", " V7\n"), "V2 is not there"),
        (text.replace("1000/mV", "x/mV", 1), "expected a gain"),
        (text.replace("1000/mV", "-/mV", 1), "expected a gain"),
        (text.replace("12 500", "twelve 500", 1), "expected a first line"),
        (text.replace("12 500", "11 500", 1), "expected 11 lines"),
        ("", "expected a first line"),
    ]:
        header.write_text(wrong)
        assert "A0002.hea" in reason()
        assert expected in reason()


def test_missing_files_are_named(root, tmp_path):
    (root / "training" / "cpsc_2018" / "g2" / "A0003.mat").unlink()
    with pytest.raises(DataError, match=r"A0003\.mat is not there"):
        list(PREPARE.recordings(root, None))
