"""Recordings that a quantiser was fitted to are known by content or origin, however they are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import StoreError
from audiossl.files import write_jsonl
from audiossl.pipelines.tokenise.fitted_to import Names, fitted_row, read_fitted, seen_among
from audiossl.signals.corpora.finding import name_files
from audiossl.signals.corpora.manifest import CorpusItem
from audiossl.signals.corpora.recordings import Recording


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(4):
        path = tmp_path / "rec" / f"spk{number // 2}" / f"{number % 2}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"recording {number}".encode())
    return tmp_path / "rec"


def found(*places: Path) -> list[Recording]:
    return [Recording(id_, file) for place in places for id_, file in name_files(place)[0].items()]


def test_the_name_of_the_folder_decides_nothing(folder, tmp_path):
    rows = [fitted_row(one) for one in found(folder / "spk0")]
    ids = [row["id"] for row in rows]
    assert ids == ["spk0/0.wav", "spk0/1.wav"]
    copies = shutil.copytree(folder / "spk0", tmp_path / "copies" / "elsewhere")
    (tmp_path / "linked").symlink_to(folder / "spk0")
    for place in (folder / "spk0", folder, copies, tmp_path / "linked", folder / "spk0" / "1.wav"):
        seen = seen_among(found(place), ids, rows)
        assert seen == {one.id for one in found(place) if "spk1" not in one.id}
    assert seen_among(found(folder / "spk1"), ids, rows) == set()


def test_another_recording_under_a_name_that_was_fitted_to_is_held_out(folder):
    rows = [fitted_row(one) for one in found(folder / "spk0")]
    for file in (folder / "spk0").iterdir():
        file.write_bytes(b"another " + file.read_bytes())
    assert seen_among(found(folder / "spk0"), [row["id"] for row in rows], rows) == set()
    assert seen_among(found(folder / "spk0"), [row["id"] for row in rows], []) == {"spk0/0.wav", "spk0/1.wav"}  # ids alone


def test_of_one_recording_only_parts_that_overlap_were_fitted_to(folder):
    file = folder / "spk0" / "0.wav"

    def part(start: float, duration: float) -> Recording:
        return Recording(f"at {start}", file, CorpusItem("x", file, start, duration, 10, "x"))

    rows = [fitted_row(part(1.0, 2.0))]
    others = [part(0.0, 1.0), part(0.5, 1.0), part(2.9, 1.0), part(3.0, 1.0), Recording("whole", file)]
    assert seen_among(others, [rows[0]["id"]], rows) == {"at 0.5", "at 2.9", "whole"}


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join), max_size=5),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join),
)
def test_names_agree_if_one_ends_with_the_other(ids, name):
    expected = any(name == id_ or name.endswith(f"/{id_}") or id_.endswith(f"/{name}") for id_ in ids)
    assert Names(ids).know(name) == expected


def test_rows_are_read_back_and_damaged_ones_named(folder, tmp_path):
    rows = [fitted_row(one) for one in found(folder)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert read_fitted(tmp_path / "rows.jsonl") == rows and read_fitted(tmp_path / "absent.jsonl") == []
    write_jsonl(tmp_path / "rows.jsonl", [{"id": "a"}])
    with pytest.raises(StoreError, match="does not say which recordings"):
        read_fitted(tmp_path / "rows.jsonl")
