from __future__ import annotations

import os

import pytest
from archives import tar_of, zip_of

from audiossl.errors import DataError
from audiossl.signals.fetching.unpack import archive_stem, unpack


@pytest.mark.parametrize("name", ["a.zip", "a.whl"])
def test_zip(tmp_path, name):
    (tmp_path / name).write_bytes(zip_of({"in/b.txt": b"b"}))
    unpack(tmp_path / name, tmp_path / "out")
    assert (tmp_path / "out/in/b.txt").read_bytes() == b"b"


def test_tar(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(tar_of({"in/b.txt": b"b"}, {"in/link": "b.txt"}))
    unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert (tmp_path / "out/in/link").read_bytes() == b"b"


@pytest.mark.parametrize("name", ["../evil", "in/../../evil", "/evil", "..\\evil", "C:/evil"])
def test_zip_paths_do_not_escape(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(zip_of({"good": b"", name: b"evil"}))
    with pytest.raises(DataError, match="leads out"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("files", "links"),
    [({"../evil": b""}, {}), ({}, {"link": "/etc/passwd"}), ({}, {"link": "../.."}), ({"/../evil": b""}, {})],
)
def test_tar_paths_and_links_do_not_escape(tmp_path, files, links):
    (tmp_path / "a.tar.gz").write_bytes(tar_of(files, links))
    with pytest.raises(DataError, match="leads out"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz"])
@pytest.mark.parametrize("damage", [b"", b"text", None])
def test_damage_is_told(tmp_path, name, damage):
    whole = zip_of({"a": os.urandom(100_000)}) if name == "a.zip" else tar_of({"a": os.urandom(100_000)})
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(DataError, match=r"not a whole archive"):
        unpack(tmp_path / name, tmp_path / "out")


def test_stem():
    assert [archive_stem(name) for name in ("a.tar.gz", "a.b.zip", "a.txt")] == ["a", "a.b", "a.txt"]
