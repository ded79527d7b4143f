"""Indexes of lhotse 2 beside shards: used where they fit, passed over where not. They are written here by their layout."""

from __future__ import annotations

import logging
import shutil
import struct
import tarfile
import zlib
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lhotse import CutSet, Recording

from audiossl.errors import DataError
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.linking import find_sources, link_corpus
from audiossl.signals.corpora.shar import find_shards, is_shar, open_shar
from audiossl.signals.corpora.tar_index import read_indexed_tar, scan_tar
from audiossl.signals.corpora.tar_offsets import read_offsets

NAMES = ["a", "b/c.d", "späße 1", "x" * 150, "-f", "q-日本" * 30, "g"]


def offsets_of(tar: Path) -> list[int]:
    """What lhotse 2 writes: the begin of each pair, and at last the size."""
    with tarfile.open(tar) as file:
        return [info.offset for info in file.getmembers()[::2]] + [tar.stat().st_size]


def write_index(tar: Path) -> Path:
    path = tar.with_name(f"{tar.name}.idx")
    path.write_bytes(np.array(offsets_of(tar), "<u8").tobytes())
    return path


def write_pack(path: Path, tars: list[Path], folder: str) -> Path:
    """A pack of version 2 with one collection of all tars."""
    names = [f"{folder}/{tar.name}".encode() for tar in tars]
    tables = [np.array(offsets_of(tar), "<u8").tobytes() for tar in tars]
    first_segment = 256 + 72 + 16 * len(tars)
    first_name = first_segment + 56 * len(tars)
    blob = b"kind" + b"".join(names)
    first_table = -(-(first_name + len(blob)) // 8) * 8
    counts = [len(table) // 8 - 1 for table in tables]
    header = struct.pack("<8sIIQQQQQQQQQQ32s", b"IDXPACK2", 2, 256, 256, 1, 256 + 72, len(tars), first_segment, len(tars),
        first_name, len(blob), first_table, sum(map(len, tables)), b"\0" * 32)  # fmt: skip
    body = header.ljust(256, b"\0")
    body += struct.pack("<32sQQQQII", b"k" * 32, 0, len(tars), sum(counts), first_name, 4, 0)
    for number in range(len(tars)):
        body += struct.pack("<QQ", number, sum(counts[: number + 1]))
    name, table = first_name + 4, first_table
    for number in range(len(tars)):
        size = struct.unpack("<Q", tables[number][-8:])[0]
        body += struct.pack(
            "<QQIIQQQII",
            name,
            table,
            len(names[number]),
            0,
            counts[number] + 1,
            size,
            len(tables[number]),
            zlib.crc32(tables[number]),
            0,
        )
        name, table = name + len(names[number]), table + len(tables[number])
    path.write_bytes((body + blob).ljust(first_table, b"\0") + b"".join(tables))
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    (folder / "shar").mkdir()
    cuts = []
    for number, name in enumerate(NAMES):
        soundfile.write(folder / f"{number}.wav", np.random.default_rng(number).uniform(-0.5, 0.5, 2000 + 999 * number), 16_000)
        cuts.append(Recording.from_file(folder / f"{number}.wav").to_cut().with_id(name))
    CutSet.from_cuts(cuts).to_shar(folder / "shar", fields={"recording": "flac"}, shard_size=3)
    for path in (folder / "shar").glob("*.idx"):
        path.unlink()  # by lhotse 2, where that is what is installed
    return folder / "shar"


@pytest.fixture
def shards(written, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(written, tmp_path / "shar"))


@pytest.fixture
def scans(monkeypatch) -> list[str]:
    """The tars that are read from begin to end."""
    found: list[str] = []
    monkeypatch.setattr("audiossl.signals.corpora.tar_index.scan_tar", lambda place: found.append(place) or scan_tar(place))
    return found


def tars_of(shards: Path) -> list[Path]:
    return sorted(shards.glob("*.tar"))


def test_an_index_beside_each_tar_tells_where_to_read(shards, scans):
    for tar in tars_of(shards):
        index = write_index(tar)
        assert read_indexed_tar(str(tar), str(index)) == scan_tar(str(tar))
    corpus = open_shar(shards)
    assert [item.id for item in corpus] == NAMES and not scans
    for number, item in enumerate(corpus):
        expected = np.random.default_rng(number).uniform(-0.5, 0.5, 2000 + 999 * number)
        np.testing.assert_allclose(corpus.read(item).numpy(), expected, atol=1 / 32_000)


def test_a_pack_tells_for_all_tars(shards, scans):
    pack = write_pack(shards / "data.idxpack", tars_of(shards), "/where/it/was/written")
    for tar in tars_of(shards):
        assert read_indexed_tar(str(tar), str(pack)) == scan_tar(str(tar))
    assert [item.id for item in open_shar(shards)] == NAMES and not scans


def test_an_object_store_is_asked_for_heads_and_descriptions_only(shards, scans):
    for tar in tars_of(shards):
        write_index(tar)
    memory = fsspec.filesystem("memory")
    memory.put(str(shards), "/bucket/shar", recursive=True)
    try:
        local, remote = open_shar(shards), open_shar("memory://bucket/shar")
        assert [item.id for item in remote] == NAMES and not scans
        assert all(torch.equal(local.read(one), remote.read(other)) for one, other in zip(local, remote, strict=True))
    finally:
        memory.rm("/bucket", recursive=True)


def test_cuts_may_be_uncompressed(shards, tmp_path):
    import gzip

    for path in sorted(shards.glob("cuts.*.jsonl.gz")):
        plain = path.with_suffix("")
        plain.write_bytes(gzip.decompress(path.read_bytes()))
        plain.with_name(f"{plain.name}.idx").write_bytes(b"12345678")
        path.unlink()
    assert is_shar(shards) and len(find_shards(str(shards))) == 3
    assert [item.id for item in open_shar(shards)] == NAMES
    (tmp_path / "root").mkdir()
    shards.rename(tmp_path / "root" / "spoken")
    sources = find_sources(tmp_path / "root", {"spoken": "speech"})
    assert link_corpus(sources, tmp_path / "linked").num_items == len(NAMES)
    assert len(Corpus.open(tmp_path / "linked")) == len(NAMES)


def test_a_manifest_may_be_uncompressed(tmp_path):
    root = tmp_path / "root" / "spoken"
    root.mkdir(parents=True)
    soundfile.write(root / "a.wav", np.full(4000, 0.1), 16_000)
    cut = Recording.from_file(root / "a.wav").to_cut()
    CutSet.from_cuts([cut]).to_file(root / "cuts_all.jsonl")
    sources = find_sources(tmp_path / "root", {"spoken": "speech"})
    assert link_corpus(sources, tmp_path / "linked").num_items == 1
    CutSet.from_cuts([cut]).to_file(root / "cuts_all.jsonl.gz")  # the same, compressed
    assert link_corpus(sources, tmp_path / "linked").rejected == {}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_index_that_does_not_fit_is_passed_over(written, tmp_path_factory, data):
    """Whatever the index says, the items are those of the tar."""
    tar = tars_of(written)[0]
    index = tmp_path_factory.mktemp("index") / f"{tar.name}.idx"
    offsets = offsets_of(tar)
    kind = data.draw(st.sampled_from(["moved", "fewer", "more", "bytes", "size"]))
    if kind == "moved":
        place = data.draw(st.integers(0, len(offsets) - 2))
        offsets[place] = data.draw(st.integers(0, offsets[-1]).filter(lambda value: value != offsets[place]))
    elif kind == "fewer":
        del offsets[data.draw(st.integers(0, len(offsets) - 2))]
    elif kind == "more":
        offsets.insert(1, data.draw(st.integers(1, offsets[1])))
    elif kind == "size":
        offsets[-1] = data.draw(st.integers(offsets[-1] + 1, 2**40))
    raw = np.array(offsets, "<u8").tobytes()
    index.write_bytes(data.draw(st.binary(max_size=64)) if kind == "bytes" else raw)
    assert read_indexed_tar(str(tar), str(index)) in (None, scan_tar(str(tar)))


def test_a_tar_that_was_cut_short_is_found_though_its_index_is_whole(shards, caplog):
    tar = tars_of(shards)[1]
    write_index(tar)
    tar.write_bytes(tar.read_bytes()[:-20_000])
    with caplog.at_level(logging.WARNING), pytest.raises(DataError, match=r"recording\.000001\.tar"):
        open_shar(shards)
    assert "does not fit its tar" in caplog.text


def test_what_is_no_index_says_so(tmp_path):
    (tmp_path / "a.idx").write_bytes(b"123")
    with pytest.raises(DataError, match="it has 3 bytes"):
        read_offsets(str(tmp_path / "a.idx"), "a.tar")
    (tmp_path / "a.idxpack").write_bytes(b"IDXPACK2" + b"\7" * 200)
    with pytest.raises(DataError, match="version 117901063"):
        read_offsets(str(tmp_path / "a.idxpack"), "a.tar")
    (tmp_path / "b.idxpack").write_bytes(b"IDX")
    with pytest.raises(DataError, match="damaged pack"):
        read_offsets(str(tmp_path / "b.idxpack"), "a.tar")
