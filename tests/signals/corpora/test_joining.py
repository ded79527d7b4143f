"""A table is joined to the recordings that it means, and to no others."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_recordings import write_sounds, write_table

from audiossl.errors import DataError
from audiossl.signals.corpora.joining import join_table
from audiossl.signals.corpora.recordings import Recording, Recordings, gather

NAMES = [f"{speaker}/{number}.wav" for speaker in "abc" for number in range(2)]


@pytest.fixture
def folder(tmp_path):
    write_sounds(tmp_path / "rec", NAMES)
    return tmp_path / "rec"


@pytest.mark.parametrize(
    "column, written",
    [
        ("path", "{0}"),
        ("File", "{0}"),
        ("id", "rec/{0}"),
        ("whatever", "{0}"),
        ("stem", "{1}"),
        ("path", "C:\\data\\here\\{2}"),
        ("path", "/elsewhere/corpus/{0}"),
        ("path", "./{0}"),
        ("path", "clips/{1}.mp3"),
    ],
)
def test_any_way_to_name_a_recording_means_the_same(folder, tmp_path, column, written):
    rows = [
        {column: written.format(name, name.removesuffix(".wav"), name.replace("/", "\\")), "speaker": name[0]} for name in NAMES
    ]
    joined = join_table(gather([folder]), write_table(tmp_path / "t.csv", rows, ";", "utf-8-sig"))
    assert {id_: one.columns["speaker"] for id_, one in joined.by_id.items()} == {f"rec/{name}": name[0] for name in NAMES}
    assert joined.rejected == []


def test_what_has_no_partner_is_named_on_either_side(folder, tmp_path):
    rows = [{"path": name, "speaker": "s"} for name in ["a/0.wav", "a/1.wav", "z/0.wav", ""]]
    joined = join_table(gather([folder]), write_table(tmp_path / "t.csv", rows))
    assert list(joined.by_id) == ["rec/a/0.wav", "rec/a/1.wav"]
    assert sorted(row["id"] for row in joined.rejected) == sorted(
        ["z/0.wav", "line 5", "rec/b/0.wav", "rec/b/1.wav", "rec/c/0.wav", "rec/c/1.wav"]
    )


def test_a_row_of_a_missing_file_is_not_given_to_another_of_the_same_name(folder, tmp_path):
    (folder / "a" / "0.wav").unlink()
    (folder / "b" / "0.wav").unlink()
    rows = [{"path": name, "speaker": name[0]} for name in NAMES]
    joined = join_table(gather([folder]), write_table(tmp_path / "t.csv", rows))
    assert {one.columns["speaker"] + one.id for one in joined.by_id.values()} == {
        "arec/a/1.wav", "brec/b/1.wav", "crec/c/0.wav", "crec/c/1.wav"
    }  # fmt: skip


def test_what_may_mean_several_or_says_two_things_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"line 2: '0' may mean 3 recordings, such as .*a/0\.wav.* Write more of the path"):
        join_table(gather([folder]), write_table(tmp_path / "t.csv", [{"stem": "0", "speaker": "a"}]))
    rows = [{"path": "a/0.wav", "speaker": "a"}, {"path": "a/0.wav", "speaker": "b"}]
    with pytest.raises(DataError, match=r"line 2 and line 3 both mean .*a/0\.wav and say different things"):
        join_table(gather([folder]), write_table(tmp_path / "t.csv", rows))
    assert len(join_table(gather([folder]), write_table(tmp_path / "t.csv", rows[:1] * 2)).by_id) == 1
    with pytest.raises(DataError, match=r"no row of .* names a recording, as 'q' in path; recordings are '.*a/0\.wav'"):
        join_table(gather([folder]), write_table(tmp_path / "t.csv", [{"path": "q", "speaker": "a"}]))


def test_rows_with_times_make_parts(folder, tmp_path):
    rows = [{"path": "a/0.wav", "start": start, "end": start + 0.1, "word": word} for start, word in ((0, "x"), (0.1, "y"))]
    joined = join_table(gather([folder]), write_table(tmp_path / "t.csv", [*rows, {**rows[0], "start": 5, "end": 6}]))
    items = [one.item for one in joined.by_id.values() if one.item is not None]
    assert [(item.start, item.num_samples, item.custom["word"]) for item in items] == [(0, 1600, "x"), (0.1, 1600, "y")]
    assert "the part from 5 to 6 s is wanted" in joined.rejected[0]["reason"]


def test_letters_composed_otherwise_are_the_same_name(tmp_path):
    name = "Zoë_Müller.wav"
    write_sounds(tmp_path / "rec", [unicodedata.normalize("NFD", name)])
    table = write_table(tmp_path / "t.csv", [{"path": unicodedata.normalize("NFC", name), "speaker": "z"}])
    assert len(join_table(gather([tmp_path / "rec"]), table).by_id) == 1


def test_a_name_means_the_file_in_the_folder_itself_before_those_further_down(folder, tmp_path):
    write_sounds(folder, ["0.wav"])
    joined = join_table(gather([folder]), write_table(tmp_path / "t.csv", [{"file": "0", "speaker": "x"}]))
    assert list(joined.by_id) == ["rec/0.wav"]


@settings(max_examples=25, deadline=None)
@given(st.sets(st.from_regex(r"[ab](/[ab]){0,3}\.wav", fullmatch=True), min_size=1, max_size=6))
def test_whole_paths_always_find_their_own_recording(names):
    recordings = Recordings(16_000)
    recordings.add(Recording(name, Path("/data") / name) for name in sorted(names))
    with tempfile.TemporaryDirectory() as folder:
        table = write_table(Path(folder) / "t.csv", [{"path": f"/data/{name}", "is": name} for name in names])
        joined = join_table(recordings, table)
    assert {id_: one.columns["is"] for id_, one in joined.by_id.items()} == {name: name for name in names}
