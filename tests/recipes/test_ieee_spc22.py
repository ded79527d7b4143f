"""Both parts of the IEEE Signal Processing Cup in miniature."""

from __future__ import annotations

import pytest
from sensor_layouts import cut, only_rejection, prepare_of, recordings_of, write_spc_test, write_spc_training

from audiossl.errors import DataError

PREPARE = prepare_of("ieee_spc22")


@pytest.fixture
def root(tmp_path):
    write_spc_training(tmp_path / "Training_data")
    write_spc_test(tmp_path)
    return tmp_path


def test_sessions_come_in_the_papers_order_with_their_people(root):
    items = recordings_of(PREPARE, root)
    test = ["test01", "test02", "test02", "test03", "test04", "test05", "test06", "test06", "test07", "test08"]
    assert [item.subject for item in items] == [*test, *(f"train{person:02d}" for person in range(1, 13))]
    assert [items[place].id for place in (0, 9, 10, 21)] == ["TEST_S01_T01", "TEST_S08_T01", "DATA_01_TYPE01", "DATA_12_TYPE02"]
    assert {item.values.shape for item in items} == {(1, 300)}
    assert items[3].annotations["heart_rate"][0].value == 83.0
    assert [item.id for item in recordings_of(PREPARE, root, limit=11)] == [item.id for item in items[:11]]


def test_a_damaged_file_is_rejected_by_name(root):
    cut(root / "TestData" / "TEST_S06_T02.mat")
    assert only_rejection(recordings_of(PREPARE, root), "TEST_S06_T02.mat").id == "TEST_S06_T02"


def test_a_missing_file_is_named(root):
    (root / "TrueBPM" / "True_S08_T01.mat").unlink()
    with pytest.raises(DataError, match=r"True_S08_T01\.mat is not below"):
        list(PREPARE.recordings(root, None))
    write_spc_test(root)
    (root / "Training_data" / "DATA_07_TYPE02.mat").unlink()
    with pytest.raises(DataError, match=r"DATA_07_TYPE02\.mat is not below"):
        list(PREPARE.recordings(root, 1))  # before anything is read
