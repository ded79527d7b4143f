"""Every file of a folder is found, listed with a reason, or holds no audio."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import ConfigError
from audiossl.signals.corpora.finding import find_recordings, holds_audio, is_text, name_files


@pytest.fixture(scope="session")
def wav(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, 400), 8000)
    return path.read_bytes()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def seen(folder: Path) -> tuple[list[str], dict[str, str]]:
    found = find_recordings(folder)
    return [path.relative_to(folder).as_posix() for path in found.files], {
        path.relative_to(folder).as_posix(): reason for path, reason in found.left_out
    }


def test_unknown_suffixes_are_told_by_their_content(tmp_path, wav):
    for name in ("a.wav", "b.wv1", "c", "d.data", "e.mp2", "sub/f.WAV", "g.ts"):
        put(tmp_path / name, wav)
    put(tmp_path / "notes.txt", b"no audio")
    put(tmp_path / "code.ts", "const größe = 1;\n".encode() * 100)
    put(tmp_path / "list.m3u", b"a.wav\n")
    put(tmp_path / "weights.npy", np.random.default_rng(0).bytes(5000))
    put(tmp_path / "picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    put(tmp_path / "empty", b"")
    put(tmp_path / ".hidden" / "h.wav", wav)
    put(tmp_path / ".h.wav", wav)
    files, left_out = seen(tmp_path)
    assert files == ["a.wav", "b.wv1", "c", "d.data", "e.mp2", "g.ts", "sub/f.WAV"] and left_out == {}
    assert not holds_audio(tmp_path / "weights.npy") and is_text(tmp_path / "code.ts")


def test_a_file_of_an_unknown_kind_that_cannot_be_decoded_is_listed(tmp_path, wav):
    put(tmp_path / "a.wav", wav)
    put(tmp_path / "b.dss", b"\3dss" + np.random.default_rng(0).bytes(5000))
    put(tmp_path / "c.wv1", b"NIST_1A\n\0\1" + bytes(100))
    files, left_out = seen(tmp_path)
    assert files == ["a.wav"] and sorted(left_out) == ["b.dss", "c.wv1"] and "no decoder" in left_out["b.dss"]


def test_links_are_entered_once_and_broken_ones_listed(tmp_path, wav):
    root, other = tmp_path / "root", tmp_path / "other"
    put(root / "real" / "a.wav", wav)
    put(other / "b.wav", wav)
    (root / "linked").symlink_to(other)
    (root / "twice").symlink_to(other)
    (other / "loop").symlink_to(root)
    (root / "again").symlink_to(root / "real")  # before `real` by its name, and yet not the one that counts
    (root / "annexed.wav").symlink_to("absent.wav")
    (root / "annexed").symlink_to("absent")
    (root / "notes.txt").symlink_to("absent.txt")
    put(root / "speech.raw", bytes(100))
    os.mkfifo(root / "pipe.wav")
    (root / "self.wav").symlink_to("self.wav")
    files, left_out = seen(root)
    assert files == ["linked/b.wav", "real/a.wav"]
    assert sorted(left_out) == ["again", "annexed", "annexed.wav", "pipe.wav", "self.wav", "speech.raw", "twice"]
    assert "absent.wav that leads nowhere" in left_out["annexed.wav"] and str(other) in left_out["twice"]


def test_a_link_out_of_the_folder_and_around_it_is_entered(tmp_path, wav):
    put(tmp_path / "all" / "root" / "a.wav", wav)
    put(tmp_path / "all" / "b.wav", wav)
    (tmp_path / "all" / "root" / "up").symlink_to(tmp_path / "all")
    assert seen(tmp_path / "all" / "root") == (["a.wav", "up/b.wav"], {})


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("ab"), max_size=2).map(tuple),
            st.sampled_from(["x.wav", "y", "z.wv2", "link", "loop", "gone.wav"]),
        ),
        max_size=8,
        unique=True,
    )
)
def test_whatever_the_tree_each_recording_is_found_once_or_listed(tmp_path_factory, wav, entries):
    root = tmp_path_factory.mktemp("tree")
    far = root.parent / f"{root.name}-far"
    put(far / "far.wav", wav)
    recordings, broken, links = set(), set(), set()
    for folders, name in entries:
        path = root.joinpath(*folders, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        key = path.relative_to(root).as_posix()
        if name in ("link", "loop"):
            path.symlink_to(far if name == "link" else root)
            links.add(key)
        elif name == "gone.wav":
            path.symlink_to("nowhere.wav")
            broken.add(key)
        else:
            put(path, wav)
            recordings.add(key)
    files, left_out = seen(root)
    entered = {key for key in links if f"{key}/far.wav" in files}
    assert len(files) == len(set(files)) and set(files) == recordings | {f"{key}/far.wav" for key in entered}
    assert set(left_out) == broken | {key for key in links - entered if key.endswith("link")}  # a loop loses nothing
    assert len(entered) == any(key.endswith("link") for key in links)


def test_a_folder_that_may_not_be_read_is_listed(tmp_path, wav, monkeypatch):
    put(tmp_path / "closed" / "a.wav", wav)
    put(tmp_path / "b.wav", wav)
    scandir = os.scandir

    def refuse(place):
        if Path(place).name == "closed":
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    files, left_out = seen(tmp_path)
    assert files == ["b.wav"] and "Permission denied" in left_out["closed"]


def test_names_start_with_the_folder_and_nothing_found_is_an_error(tmp_path, wav, monkeypatch):
    put(tmp_path / "en" / "sub" / "a.wav", wav)
    (tmp_path / "en" / "b.wav").symlink_to("absent.wav")
    named, rejected = name_files(tmp_path / "en")
    assert list(named) == ["en/sub/a.wav"] and [row["id"] for row in rejected] == ["en/b.wav"]
    assert list(name_files(tmp_path / "en" / "sub" / "a.wav")[0]) == ["sub/a.wav"]
    monkeypatch.chdir(tmp_path / "en" / "sub")
    assert list(name_files(Path())[0]) == ["sub/a.wav"]
    (tmp_path / "bare").mkdir()
    for path, message in ((tmp_path / "bare", "found none in"), (tmp_path / "nowhere", "found nothing at")):
        with pytest.raises(ConfigError, match=message):
            name_files(path)
