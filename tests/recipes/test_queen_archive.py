"""The Amazon Queen reader on archives written in the true layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queen_files import pack_dialogue, write_archive

from audiossl.errors import DataError
from audiossl.pipelines.prepare_script import load_script

ARCHIVE = load_script(Path(__file__).resolve().parents[2] / "recipes" / "packaged" / "queen_archive.py", ()).module
QueenArchive, clip_text, read_dialogue = ARCHIVE.QueenArchive, ARCHIVE.clip_text, ARCHIVE.read_dialogue
split_segments = ARCHIVE.split_segments


def test_archive_gives_back_its_entries(tmp_path):
    entries = {"020001P1.SB": b"\xff\xe3sound", "BOB1.DOG": b"lines", "020001P2.SB": b""}
    archive = QueenArchive.open(write_archive(tmp_path / "queen.1c", entries))
    assert archive.compression == 1
    assert archive.names(".SB") == ["020001P1.SB", "020001P2.SB"]
    assert {name: archive.read(name) for name in archive.entries} == entries


@pytest.mark.parametrize(("size", "complaint"), [(10, "not an archive"), (40, "table has 1 of 2"), (60, "BOB1.DOG ends at")])
def test_truncated_archive_is_refused(tmp_path, size, complaint):
    path = write_archive(tmp_path / "queen.1c", {"020001P1.SB": b"", "BOB1.DOG": b"lines"})
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=complaint):
        QueenArchive.open(path)


def test_another_archive_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected b'QTBL'"):
        QueenArchive.open(write_archive(tmp_path / "other", {}, magic=b"RIFF"))


LINES = st.lists(st.tuples(st.integers(1, 999), st.text("ab *0É", max_size=9)), max_size=5, unique_by=lambda line: line[0])


@given(hero=LINES, other=LINES, levels=st.integers(-3, 3))
def test_dialogue_gives_back_its_lines(hero, other, levels):
    dialogue = read_dialogue(pack_dialogue(42, hero, other, levels, unique_key=7), "BOB1.DOG")
    assert (dialogue.talk_key, dialogue.unique_key) == (42, 7)
    assert dialogue.lines == {("J", number): text for number, text in hero} | {("P", number): text for number, text in other}


def test_truncated_dialogue_is_refused():
    with pytest.raises(DataError, match=r"BOB1\.DOG is truncated"):
        read_dialogue(pack_dialogue(2, [(1, "Hello there.")], [])[:-6], "BOB1.DOG")


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("Hello.", ["Hello."]),
        ("*FLGo away.*02Now!*05", ["", "Go away.", "Now!"]),
        ("*XY00(128,112)*FLMy  kitchen?", ["", "", "My kitchen?"]),
        ("", []),
    ],
)
def test_commands_end_segments(text, segments):
    assert split_segments(text) == segments


def test_clip_names_find_their_text():
    dialogue = read_dialogue(pack_dialogue(2, [(0x1F, "I say*01and say.")], [(0x1F, "*FLNo.")]), "BOB1.DOG")
    found = {
        clip: clip_text(dialogue, f"{clip}.SB")
        for clip in ("02001FJ1", "02001FJ2", "02001FJ3", "02001FP1", "02001FP2", "02XXXXJ1")
    }
    assert found == {
        "02001FJ1": "I say", "02001FJ2": "and say.", "02001FJ3": None, "02001FP1": None, "02001FP2": "No.", "02XXXXJ1": None,
    }  # fmt: skip
    assert clip_text(dialogue, "020020P1.SB") is None
