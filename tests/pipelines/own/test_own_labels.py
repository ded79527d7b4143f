"""Tasks, columns and segments as people write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_recordings import RECIPES

from audiossl.errors import ConfigError, DataError
from audiossl.pipelines.catalogue import print_keys
from audiossl.pipelines.own.column_labels import cells_of, check_column, column_labels
from audiossl.pipelines.own.keys import name_of
from audiossl.pipelines.own.segment_labels import read_segments
from audiossl.pipelines.own.tasks import OwnTask, parse_tasks
from audiossl.signals.corpora.recordings import Recording
from audiossl.signals.corpora.sources import AudioSource

RECORDINGS = [Recording("rec/a.wav", Path("/rec/a.wav")), Recording("rec/sub/b.wav", Path("/rec/sub/b.wav"))]


def check(values, split_by="recording", **options):
    labels = {str(number): value for number, value in enumerate(values)}
    check_column(OwnTask("age", column="age", **options), labels, {id_: id_ for id_ in labels}, split_by)


def test_tasks_are_columns_or_files_with_times(tmp_path):
    (tmp_path / "phones.csv").touch()
    parsed = parse_tasks(["speaker", f"{tmp_path}/phones.csv:frames", "year:classes"])
    assert [(task.name, task.kind, task.column, task.as_classes) for task in parsed] == [
        ("speaker", "clips", "speaker", False), ("phones", "frames", "", False), ("year", "clips", "year", True)
    ]  # fmt: skip
    for tasks, message in (
        ("a,a", "two are called 'a'"),
        ("speaker:frames", "frames have times"),
        ("no.jsonl", "does not exist"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse_tasks(tasks)


@pytest.mark.parametrize(
    "values, is_quantity",
    [
        (["0.5", "1.5"] * 4, True),
        ([str(number) for number in range(20, 50)] * 2, True),
        (["1", "2", "3"] * 4, False),
        (["007", "008", "010"] * 8, False),
        ([f"s{number}" for number in range(30)] * 2, False),
        (["1e400", "2"] * 4, False),
    ],
)
def test_numbers_are_asked_about_where_they_look_like_quantities(values, is_quantity):
    check(values, as_classes=True)
    if not is_quantity:
        return check(values)
    with pytest.raises(DataError, match=r"looks like a quantity .* tasks=age:classes"):
        check(values)
    return None


def test_numbers_of_people_are_names():
    values = {str(number): str(number % 30) for number in range(60)}
    check_column(OwnTask("speaker", column="speaker"), values, {id_: id_ for id_ in values}, "recording")


def test_empty_cells_have_no_label_and_the_folder_is_a_column():
    rows = [("a", "x"), ("b", ""), ("c", "NaN"), ("d", None), ("e", 2.0), ("f", True)]
    recordings = [Recording(id_, Path(f"/rec/dir_{id_}/1.wav"), None, {"Mood": value}) for id_, value in rows]
    labels = column_labels(OwnTask("mood", column="mood"), cells_of(recordings))
    assert labels == {"a": "x", "e": "2", "f": "true"}
    assert column_labels(OwnTask("folder", column="folder"), cells_of(recordings))["b"] == "dir_b"


def test_segments_are_read_as_rows_or_as_lists(tmp_path):
    nested = tmp_path / "n.jsonl"
    nested.write_text(json.dumps({"id": "rec/a.wav", "segments": [["AH", 0.1, 0.2], [7, 0.0, 0.1]]}) + "\n")
    assert read_segments(nested, RECORDINGS) == ({"rec/a.wav": [["7", 0.0, 0.1], ["AH", 0.1, 0.2]]}, [])
    rows = tmp_path / "r.csv"
    rows.write_text("path,Label,start,end\nb.wav,x,0.5,1\nb,y,0,0.5\nz.wav,y,0,1\n")
    found, rejected = read_segments(rows, RECORDINGS)
    assert found == {"rec/sub/b.wav": [["y", 0.0, 0.5], ["x", 0.5, 1.0]]}
    assert rejected == [{"id": "line 4", "path": str(rows), "reason": "line 4 of r.csv names no recording"}]
    for text, message in (
        ("path,start,end\na.wav,0,1\n", "line 2: no label"),
        ("path,label,start\na.wav,x,0\n", "line 2: no end"),
        ("path,label,start,end\na.wav,x,1,0\n", "line 2: expected an end after the start"),
        ("path,label,start,end\n", "has no rows"),
    ):
        rows.write_text(text)
        with pytest.raises(DataError, match=message):
            read_segments(rows, RECORDINGS)


def test_a_run_is_named_after_its_corpus(tmp_path):
    (tmp_path / "my.recordings").mkdir()
    assert name_of([AudioSource(f"{tmp_path}/my.recordings/")]) == "my.recordings"
    assert name_of([AudioSource("hf:a/b"), AudioSource("lists/clips.csv.gz")]) == "b+clips"


@pytest.mark.parametrize("name", ["spear", "ctc", "tagging"])
def test_keys_of_a_recipe_for_own_data_are_listed_without_any(name, capsys):
    print_keys(RECIPES / f"{name}.yaml")
    listed = capsys.readouterr().out
    assert "corpus: " in listed and "table: " in listed and "recordings of one's own" in listed
    assert f"audiossl run {name} corpus=" in (RECIPES / f"{name}.yaml").read_text()
