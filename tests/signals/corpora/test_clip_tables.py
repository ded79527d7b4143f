"""Tables of clips in any of their formats mean the same clips."""

from __future__ import annotations

import csv
import datetime
import gzip
import json
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from audiossl.errors import DataError
from audiossl.signals.corpora.clip_tables import Clip, is_clip_table, read_clips

ROWS = [
    {"path": "a.wav", "start": 0.5, "end": 1.25, "id": "one", "speaker": "x"},
    {"path": "a.wav", "start": None, "end": 2.0, "id": None, "speaker": "y"},
    {"path": "sub/b, c.wav", "start": None, "end": None, "id": None, "speaker": "z"},
]


def write(path: Path, rows: list[dict]) -> Path:
    name = path.name
    if name.endswith(".parquet"):
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif ".jsonl" in name:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        path.write_text(text)
    else:
        with (gzip.open if name.endswith(".gz") else open)(path, "wt", newline="", encoding="utf-8-sig") as file:
            delimiter = ";" if "semi" in name else "\t" if ".tsv" in name else ","
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "semi.csv", "t.tsv", "t.jsonl", "t.parquet", "T.CSV"])
def test_every_format_says_the_same(tmp_path, name):
    table = write(tmp_path / name, ROWS)
    assert is_clip_table(table)
    clips, rejected = read_clips(table)
    assert rejected == []
    assert clips == [
        Clip("one", tmp_path / "a.wav", 0.5, 1.25, {"speaker": "x"}),
        Clip("a.wav@0-2", tmp_path / "a.wav", 0.0, 2.0, {"speaker": "y"}),
        Clip("sub/b, c.wav", tmp_path / "sub" / "b, c.wav", columns={"speaker": "z"}),
    ]


def test_other_columns_are_kept_as_they_are_but_for_bytes(tmp_path):
    row = {
        "path": "a.wav",
        "Größe": 3,
        "ok": True,
        "none": None,
        "tags": ["é", "1"],
        "audio": b"RIFF",
        "when": datetime.date(2024, 5, 1),
    }
    [clip], _ = read_clips(write(tmp_path / "t.parquet", [row | {"inner": {"bytes": b"RIFF"}}]))
    assert clip.columns == {"Größe": 3, "ok": True, "none": None, "tags": '["é", "1"]', "when": "2024-05-01"}
    [clip], _ = read_clips(write(tmp_path / "t.csv", [{"path": "a.wav", "Speaker": "007", "age": ""}]))
    assert clip.columns == {"Speaker": "007", "age": None}


def test_one_clip_with_two_labels_is_rejected(tmp_path):
    clips, rejected = read_clips(write(tmp_path / "t.csv", [{"path": "a.wav", "speaker": name} for name in ("x", "y", "x")]))
    assert len(clips) == 1 and [row["id"] for row in rejected] == ["a.wav"] and "another row" in rejected[0]["reason"]


def test_a_bad_row_is_rejected_by_its_number_and_the_others_are_read(tmp_path):
    rows = [
        {"path": "a.wav", "start": "x", "end": ""},
        {"path": "", "start": "1", "end": ""},
        {"path": "a.wav", "start": "2", "end": "1"},
        {"path": "a.wav", "start": "-1", "end": ""},
        {"path": "a.wav", "start": "nan", "end": "inf"},
        {"path": "a.wav", "start": "1", "end": "2"},
        {"path": "a.wav", "start": "1.0", "end": "2"},  # the same once more
    ]
    clips, rejected = read_clips(write(tmp_path / "t.csv", rows))
    assert [clip.id for clip in clips] == ["a.wav@1-2"]
    assert [row["reason"].split(":")[0] for row in rejected] == [f"line {n} of t.csv" for n in (2, 3, 4, 5, 6)]
    clips, rejected = read_clips(write(tmp_path / "u.csv", [{"id": "x", "path": "a.wav"}, {"id": "x", "path": "b.wav"}]))
    assert len(clips) == 1 and "duplicate id" in rejected[0]["reason"]


def test_what_is_no_table_of_clips_says_what_it_lacks(tmp_path):
    with pytest.raises(DataError, match=r"no column 'path'; its columns are 'sound', 'label'"):
        read_clips(write(tmp_path / "t.csv", [{"sound": "a.wav", "label": "x"}]))
    for name, text, message in (("e.csv", "", "no header"), ("h.csv", "path,start\n", "no rows"), ("x.jsonl", "{", "JSON lines")):
        (tmp_path / name).write_text(text)
        with pytest.raises(DataError, match=message):
            read_clips(tmp_path / name)
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"x\.parquet cannot be read"):
        read_clips(tmp_path / "x.parquet")
    (tmp_path / "cuts.jsonl").write_text('{"id": "a", "recording": {"sources": []}}\n')
    (tmp_path / "recordings.jsonl").write_text('{"id": "a", "sources": []}\n')
    assert not any(map(is_clip_table, (tmp_path / "cuts.jsonl", tmp_path / "recordings.jsonl", tmp_path / "x.jsonl", tmp_path)))


SAVED = {
    "UTF-16 of Excel": "path\tstart\tend\na.wav\t0.5\t1.5\n".encode("utf-16"),
    "spaces behind commas": b"path, start, end\na.wav, 0.5, 1.5\n",
    "sep= and decimal commas": b"sep=;\r\npath;start;end\r\na.wav;0,5;1,5\r\n",
    "capitals": b"path,Start,End\na.wav,0.5,1.5\n",
    "durations": b"path,start,duration\na.wav,0.5,1\n",
    "empty lines": b"path,start,end\n\na.wav,0.5,1.5\n,,\n",
}


@pytest.mark.parametrize("kind", SAVED)
def test_tables_as_spreadsheets_save_them(tmp_path, kind):
    (tmp_path / "t.csv").write_bytes(SAVED[kind])
    assert read_clips(tmp_path / "t.csv") == ([Clip("a.wav@0.5-1.5", tmp_path / "a.wav", 0.5, 1.5)], [])


def test_json_lines_with_a_mark_lengths_of_files_and_a_row_with_too_many_cells(tmp_path):
    (tmp_path / "t.jsonl").write_text('\ufeff{"path": "a.wav"}\n', encoding="utf-8")
    assert is_clip_table(tmp_path / "t.jsonl") and read_clips(tmp_path / "t.jsonl")[0] == [Clip("a.wav", tmp_path / "a.wav")]
    (tmp_path / "t.csv").write_text("path,duration\na.wav,6.03\n")  # says how long the file is
    assert read_clips(tmp_path / "t.csv")[0] == [Clip("a.wav", tmp_path / "a.wav")]
    (tmp_path / "t.csv").write_text("path,start\na, b.wav,1\n")
    with pytest.raises(DataError, match="line 2: 3 cells"):
        read_clips(tmp_path / "t.csv")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 100)), min_size=1, max_size=6))
def test_any_spans_come_back(tmp_path_factory, spans):
    folder = tmp_path_factory.mktemp("spans")
    rows = [{"path": "a.wav", "start": start, "end": start + size, "id": str(n)} for n, (start, size) in enumerate(spans)]
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        clips, rejected = read_clips(write(folder / name, rows))
        assert not rejected and [(clip.start, clip.end) for clip in clips] == [(row["start"], row["end"]) for row in rows]
