"""Chapman-Shaoxing in miniature."""

from __future__ import annotations

import pytest
from sensor_layouts import cut, only_rejection, prepare_of, recordings_of, write_chapman

from audiossl.errors import DataError

PREPARE = prepare_of("chapman")


@pytest.fixture
def root(tmp_path):
    write_chapman(tmp_path)
    return tmp_path


def test_records_of_the_first_hospital_in_four_classes(root):
    items = recordings_of(PREPARE, root)
    assert [(item.id, item.annotations["rhythm"][0].value) for item in items] == [
        ("JS00001", "AFIB"),
        ("JS00002", "SB"),
        ("JS00103", "GSVT"),  # the first code is no rhythm
        ("JS10646", "SR"),
    ]
    assert {item.values.shape for item in items} == {(4, 1000)}
    assert [item.id for item in recordings_of(PREPARE, root, limit=1)] == ["JS00001"]


def test_a_damaged_record_is_rejected_by_name(root):
    cut(root / "WFDBRecords" / "01" / "011" / "JS00103.mat")
    assert only_rejection(recordings_of(PREPARE, root), "JS00103.mat").id == "JS00103"


def test_a_missing_file_is_named(root):
    (root / "WFDBRecords" / "01" / "010" / "JS00002.mat").unlink()
    with pytest.raises(DataError, match=r"JS00002\.mat is not there"):
        list(PREPARE.recordings(root, None))
