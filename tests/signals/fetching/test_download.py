from __future__ import annotations

import hashlib

import pytest

from audiossl.errors import DataError
from audiossl.signals.fetching.download import download

CONTENT = bytes(range(256)) * 4000  # 1 MB


def test_gets_the_file_and_leaves_nothing_else(server, tmp_path):
    server.files["a.bin"] = CONTENT
    path = download(server.url("a.bin"), tmp_path / "a.bin", hashlib.sha256(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_takes_a_broken_connection_up_again(server, tmp_path):
    server.files["a.bin"], server.num_breaks = CONTENT, 2
    assert download(server.url("a.bin"), tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.requests == ["", "bytes=300000-", "bytes=600000-"]


def test_a_later_call_continues(server, tmp_path):
    server.files["a.bin"], server.num_breaks = CONTENT, 1
    with pytest.raises(DataError, match=r"ended at 300000 of 1024000 bytes.*again"):
        download(server.url("a.bin"), tmp_path / "a.bin", tries=1)
    assert not (tmp_path / "a.bin").exists()
    assert download(server.url("a.bin"), tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.requests == ["", "bytes=300000-"]


def test_a_changed_file_starts_anew(server, tmp_path):
    server.files["a.bin"], server.num_breaks = CONTENT, 1
    with pytest.raises(DataError):
        download(server.url("a.bin"), tmp_path / "a.bin", tries=1)
    server.files["a.bin"] = CONTENT[::-1]
    assert download(server.url("a.bin"), tmp_path / "a.bin").read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.files["a.bin"], server.num_breaks, server.knows_range = CONTENT, 1, False
    assert download(server.url("a.bin"), tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_that_is_too_long_starts_anew(server, tmp_path):
    server.files["a.bin"] = CONTENT
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    assert download(server.url("a.bin"), tmp_path / "a.bin", hashlib.sha256(CONTENT).hexdigest()).read_bytes() == CONTENT


def test_a_part_of_unknown_origin_is_not_trusted(server, tmp_path):
    server.files["a.bin"] = CONTENT
    (tmp_path / "a.bin.part").write_bytes(b"something else")
    assert download(server.url("a.bin"), tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_forgotten(server, tmp_path):
    server.files["a.bin"] = CONTENT
    with pytest.raises(DataError, match=f"{hashlib.sha256(CONTENT).hexdigest()}, expected {'0' * 64}"):
        download(server.url("a.bin"), tmp_path / "a.bin", "0" * 64)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_told_at_once(server, tmp_path):
    with pytest.raises(DataError, match=r"none\.bin.*404"):
        download(server.url("none.bin"), tmp_path / "none.bin")
    assert len(server.requests) == 1


def test_a_dead_server_is_told(server, tmp_path):
    url = server.url("a.bin")
    server.server_close()
    with pytest.raises(DataError, match=r"a\.bin.*network"):
        download(url, tmp_path / "a.bin")


def test_other_schemes_are_refused(tmp_path):
    with pytest.raises(DataError, match="https://"):
        download("ftp://somewhere/a.bin", tmp_path / "a.bin")
