"""Folders of BOLD runs as people keep them, and tables of people: whose a row is, which atlas, which columns."""

from __future__ import annotations

import json

import numpy as np
import pytest
from own_data import write_runs

from audiossl.errors import ConfigError, DataError
from audiossl.signals.bold.own_folder import OwnFolder
from audiossl.signals.bold.own_tables import TableFolder
from audiossl.signals.bold.people_table import PeopleTable
from audiossl.signals.bold.tables import read_series
from audiossl.signals.sensors.recording import SensorRecording


def people(folder, *lines):
    path = folder / "people.csv"
    path.write_text("\n".join(lines) + "\n")
    return PeopleTable.read(path)


def series(folder, name, regions=3, volumes=20, seed=0, header=True):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(f"{value:.4f}" for value in row) for row in np.random.default_rng(seed).normal(size=(volumes, regions))]
    path.write_text("\n".join([*(["\t".join("abcdefgh"[:regions])] if header else []), *lines]) + "\n")
    return path


def test_ids_with_other_zeros_and_prefixes(tmp_path):
    table = people(tmp_path, "Subject;age", "sub-1;30,5", "07;31", "s3;32")
    assert table.match(["01", "7", "s03", "99"]) == {"01": "1", "7": "07", "s03": "s3"} and table.rows["1"] == {"age": 30.5}
    both = people(tmp_path, "id,age", "01,30", "1,31")
    assert both.match(["01", "1"]) == {"01": "01", "1": "1"}, "the very ids are plain"
    with pytest.raises(DataError, match="whose row is 01, 1, with runs of 001"):
        both.match(["001"])
    with pytest.raises(DataError, match="whose row is 2, with runs of 02, 002"):
        people(tmp_path, "id,age", "2,30").match(["02", "002"])


def test_tables_of_people_that_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="which column says whose a row is"):
        people(tmp_path, "name,age", "a,3")
    with pytest.raises(DataError, match="a comes twice in column id"):
        people(tmp_path, "id,age", "a,3", "sub-a,4")
    with pytest.raises(DataError, match="line 3: no id"):
        people(tmp_path, "id,age", "a,3", ",4")


def test_what_columns_can_be(tmp_path):
    rows = [f"p{i},{'fm'[i % 2]},{20 + i * 1.5},{i % 3},{i % 2 + 1},same,text {i}" for i in range(20)]
    table = people(tmp_path, "id,sex,age,grade,code,one,note", *rows)
    kinds = {column: table.kind(column) for column in table.columns}
    assert kinds == {"sex": "class", "age": "quantity", "grade": "open", "code": "class", "one": "free", "note": "free"}
    chosen, left_out = table.choose([])
    assert chosen == {"sex": "class", "age": "quantity", "code": "class"} and len(left_out) == 3
    assert table.choose(["grade:quantity", "age:class"])[0] == {"grade": "quantity", "age": "class"}
    for wanted, message in (
        ("grade", "grade:class or grade:quantity"),
        ("one", "everybody has the same one"),
        ("aeg", "did you mean age"),
    ):
        with pytest.raises(ConfigError, match=message):
            table.choose([wanted])


@pytest.mark.parametrize(
    ("name", "person", "about"),
    [
        ("sub-07/ses-2/func/sub-07_ses-2_task-rest_run-1_bold.tsv", "07", {"session": "2", "run": "1", "task": "rest"}),
        ("p1_ses2.csv", "p1", {"session": "2"}),
        ("p10-run3.csv", "p10", {"run": "3"}),
        ("p10.csv", "p10", {}),
        ("other_session1.csv", "other", {"session": "1"}),
    ],
)
def test_whose_a_table_is(tmp_path, name, person, about):
    found = TableFolder(tmp_path, [], people=("p1", "p10")).whose(tmp_path.joinpath(name).relative_to(tmp_path))
    assert found == (person, about)


def test_tables_without_header_and_several_atlases(tmp_path):
    series(tmp_path, "sub-1_atlas-Schaefer_timeseries.tsv", header=False)
    series(tmp_path, "sub-1_atlas-AAL_timeseries.tsv", 5)
    with pytest.raises(ConfigError, match=r"atlas: expected one of AAL, Schaefer, got none\. Say atlas=NAME"):
        list(OwnFolder(tmp_path, tr=2.0).recordings())
    (run,) = OwnFolder(tmp_path, "schaefer", tr=2.0).recordings()
    assert isinstance(run, SensorRecording) and run.channels == ("region_001", "region_002", "region_003") and run.subject == "1"


def test_semicolons_and_decimal_commas(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeffa;b\n0,5;1\n-0,25;2\n1,125;4\n", encoding="utf-8")
    values, names = read_series(path, regions_first=False)
    assert names == ("a", "b") and values.tolist() == [[0.5, -0.25, 1.125], [1.0, 2.0, 4.0]]


def test_an_atlas_that_no_table_names_is_refused(tmp_path):
    for name in ("Schaefer/sub-1_timeseries.tsv", "AAL/sub-1_timeseries.tsv"):
        series(tmp_path, name)
    assert OwnFolder(tmp_path, "schaefer").files() == [tmp_path / "Schaefer" / "sub-1_timeseries.tsv"]
    with pytest.raises(
        ConfigError, match=r"atlas: none of 2 tables below .* has 'Gordon' in its name or folder.*leave atlas out"
    ):
        OwnFolder(tmp_path, "Gordon").files()


def test_xcpd_derivatives_by_a_word_of_the_atlas(tmp_path):
    for person in ("01", "02"):
        for atlas, regions in (("4S156Parcels", 4), ("Gordon", 5)):
            name = f"sub-{person}/func/sub-{person}_task-rest_space-MNI_seg-{atlas}_stat-mean_timeseries.tsv"
            series(tmp_path, name, regions, seed=int(person) + regions)
        side = tmp_path / f"sub-{person}" / "func" / f"sub-{person}_task-rest_space-MNI_desc-denoised_bold.json"
        side.write_text(json.dumps({"RepetitionTime": 0.8}))
    runs = list(OwnFolder(tmp_path, "gordon").recordings())
    assert [run.subject for run in runs] == ["01", "02"] and {run.rate for run in runs} == {1.25} and len(runs[0].channels) == 5
    assert OwnFolder(tmp_path, "gordon").persons() == ["01", "02"] and OwnFolder(tmp_path, "4S").shortest() == 20
    for atlas, message in (
        ("Schaefer", "no atlas has 'Schaefer' in its name; .*4S156Parcels .2 files., Gordon"),
        ("", "which atlas"),
    ):
        with pytest.raises(ConfigError, match=message):
            OwnFolder(tmp_path, atlas).files()
    with pytest.raises(ConfigError, match=r"bold_task: .* has rest \(2 files\)"):
        OwnFolder(tmp_path, "Gordon", task="nback").files()


def test_most_tables_of_other_regions_than_the_first(tmp_path):
    folder = write_runs(tmp_path / "tables", 5)
    first = folder / "sub-00_task-rest_timeseries.csv"
    first.write_text("\n".join(line.rpartition(",")[0] for line in first.read_text().splitlines()))
    with pytest.raises(DataError, match="4 of 5 tables have other regions than the 7"):
        list(OwnFolder(folder, tr=2.0).recordings())


def test_images_need_an_atlas(tmp_path):
    image = tmp_path / "sub-01" / "func" / "sub-01_task-rest_space-MNI_desc-preproc_bold.nii.gz"
    image.parent.mkdir(parents=True)
    image.touch()
    with pytest.raises(ConfigError, match=r"images of fMRIPrep, which need a label image .*Got 'Schaefer'"):
        OwnFolder(tmp_path, "Schaefer").check()
