"""What names and side files of a BIDS folder say."""

from __future__ import annotations

import pytest

from audiossl.errors import DataError
from audiossl.signals.bold.bids import beside, entities, in_one_space, read_participants, repetition_time, scan_of


def test_bids(tmp_path):
    name = tmp_path / "sub-01_ses-2_task-rest_desc-preproc_bold.nii.gz"
    assert entities(name) == {"sub": "01", "ses": "2", "task": "rest", "desc": "preproc", "suffix": "bold"}
    with pytest.raises(DataError, match="RepetitionTime"):
        repetition_time(name)
    (tmp_path / "task-rest_bold.json").write_text('{"RepetitionTime": 1.4}')
    assert repetition_time(name) == 1.4
    assert read_participants(tmp_path) == {}
    (tmp_path / "participants.tsv").write_text("name\nx\n")
    with pytest.raises(DataError, match="participant_id"):
        read_participants(tmp_path)


def test_files_beside_are_of_the_same_scan_and_space(tmp_path):
    own = tmp_path / "sub-01_task-rest_run-1_space-MNI_seg-X_stat-mean_timeseries.tsv"
    names = ["run-1_x", "run-10_x", "run-1_space-MNI_res-2_x", "run-1_space-T1w_x", "run-1_desc-a_x", "rest_run-1_acq-b_x"]
    for name in names:
        (tmp_path / f"sub-01_task-rest_{name}.tsv").touch()
    assert scan_of(own) == "sub-01_task-rest_run-1" and scan_of(own, ["run"]) == "sub-01_task-rest"
    found = [path.name.removeprefix("sub-01_task-rest_") for path in beside(own, "_x.tsv")]
    assert found == ["run-1_desc-a_x.tsv", "run-1_space-MNI_res-2_x.tsv", "run-1_x.tsv"]


def test_one_file_of_each_scan(tmp_path):
    def files(*names):
        return [tmp_path / f"sub-{name}_bold.nii.gz" for name in names]

    both = files("1_space-A_res-2", "1_space-A", "1_space-T1w", "1", "2_space-A_res-2")
    with pytest.raises(
        DataError, match=r'got space="A", res="" \(1 files\); space="A", res="2" \(2 files\); space="T1w".*native'
    ):
        in_one_space(tmp_path, both, None, None)
    assert in_one_space(tmp_path, both, None, "2") == ([both[0], both[4]], [])
    for space, res, place in (("A", "", 1), ("T1w", None, 2), ("native", None, 3)):
        chosen, rejected = in_one_space(tmp_path, both, space, res)
        assert chosen == [both[place]] and [one.id for one in rejected] == ["sub-2"]
    with pytest.raises(DataError, match=r'got space="T1w", res="" \(1 files\)\. Say by space='):
        in_one_space(tmp_path, files("1_space-T1w"), None, None)
    assert in_one_space(tmp_path, files("1_space-A", "1_space-T1w", "2_space-A"), None, None)[0] == files(
        "1_space-A", "2_space-A"
    )
    with pytest.raises(DataError, match="are of one scan"):
        in_one_space(tmp_path, files("1_space-A_cohort-1", "1_space-A_cohort-2"), None, None)


def test_what_is_no_plain_number_stays_text(tmp_path):
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tcode\nsub-1\t23,5\t1_000\nsub-2\tinf\t0x1f\nsub-3\t-1.5e1\t7\n"
    )
    assert read_participants(tmp_path) == {
        "1": {"age": "23,5", "code": "1_000"}, "2": {"age": "inf", "code": "0x1f"}, "3": {"age": -15.0, "code": 7.0},
    }  # fmt: skip


@pytest.mark.parametrize("value", ["true", "0", "-2", "NaN", '"2"', "2000", "[2]"])
def test_a_repetition_time_that_is_none_is_refused(tmp_path, value):
    """true once was 1 s, as a bool is an int in Python; and what another file says does not stand in for it."""
    name = tmp_path / "sub-01_task-rest_bold.nii.gz"
    name.with_name("sub-01_task-rest_bold.json").write_text(f'{{"RepetitionTime": {value}}}')
    (tmp_path / "task-rest_bold.json").write_text('{"RepetitionTime": 1.4}')
    with pytest.raises(DataError, match=r"sub-01_task-rest_bold\.json, RepetitionTime: expected a repetition time in seconds"):
        repetition_time(name)
    name.with_name("sub-01_task-rest_bold.json").write_text('{"RepetitionTime": null}')
    assert repetition_time(name) == 1.4


def test_a_series_without_a_task_is_looked_for_under_its_own_name_alone(tmp_path):
    with pytest.raises(DataError, match=r"RepetitionTime; looked for sub-01\.json\. Give tr=SECONDS"):
        repetition_time(tmp_path / "sub-01.csv")
    with pytest.raises(DataError, match=r"looked for sub-01_task-rest_bold\.json, task-rest_bold\.json there and above"):
        repetition_time(tmp_path / "sub-01_task-rest_bold.csv")
