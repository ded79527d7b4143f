"""Shards as lhotse writes them: the same samples by random access, in an object store as on disk, and what goes wrong."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lhotse import CutSet, Recording

from audiossl.errors import DataError, MissingExtraError
from audiossl.signals.batches import BatchLoader, plan_batches
from audiossl.signals.corpora.corpus import Item, build_corpus
from audiossl.signals.corpora.opening import open_corpus
from audiossl.signals.corpora.shar import find_shards, open_shar, shar_arrays
from audiossl.signals.corpora.tar_index import TarMember, scan_tar
from audiossl.signals.fetching.storage import location

fsspec = pytest.importorskip("fsspec")
lhotse_leaves_files_open = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
ODD = ["a", "b/c.d", "späße 1", "x" * 150, "q-日本", "e#1@2", "-f"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path_factory.mktemp("cache")))


def make_cuts(folder: Path, rate: int = 16_000, num_channels: int = 1) -> CutSet:
    """A cut of a different length for each odd name; the last two are excerpts."""
    folder.mkdir(parents=True, exist_ok=True)
    draws, cuts = np.random.default_rng(7), []
    for number, name in enumerate(ODD):
        path = folder / f"{number}.wav"
        soundfile.write(path, draws.uniform(-0.5, 0.5, (rate // 2 + 777 * number, num_channels)), rate)
        cut = Recording.from_file(path, recording_id=f"r{number}").to_cut().with_id(name)
        cut.supervisions = []
        cut.custom = {"prompt": f"p{number}"}
        cuts.append(cut if number < 5 else cut.truncate(offset=0.1, duration=0.3, preserve_id=True))
    return CutSet.from_cuts(cuts)


def write_shards(cuts: CutSet, out: Path, form: str = "flac", size: int | None = 3, **fields: str) -> Path:
    out.mkdir(parents=True)
    cuts.to_shar(out, fields={"recording": form, **fields}, shard_size=size)
    return out


@pytest.fixture
def shards(tmp_path) -> Path:
    return write_shards(make_cuts(tmp_path / "wav"), tmp_path / "shar")


@lhotse_leaves_files_open
@pytest.mark.parametrize("form", ["flac", "wav", "opus", "mp3", "original"])
def test_every_sample_is_what_lhotse_reads(tmp_path, form):
    folder = write_shards(make_cuts(tmp_path / "wav"), tmp_path / "shar", form)
    corpus = open_shar(folder)
    assert [item.id for item in corpus] == ODD
    for cut, item in zip(CutSet.from_shar(in_dir=folder), corpus, strict=True):
        expected = cut.load_audio()[0]
        assert item.num_samples == len(expected)
        np.testing.assert_array_equal(corpus.read(item).numpy(), expected)
        assert item.custom == {"prompt": f"p{ODD.index(item.id)}"}
        assert item.path.name == Path(f"{item.id}.{form}").name


def test_any_order_any_part_and_another_rate(shards):
    corpus, slower = open_shar(shards), open_shar(shards, 8_000)
    whole = {item.id: corpus.read(item) for item in corpus}
    for index in torch.randperm(len(corpus), generator=torch.Generator().manual_seed(1)).tolist():
        item = corpus.items[index]
        assert torch.equal(corpus.read(item, 100, 300), whole[item.id][100:400])
    assert slower.read(slower.items[0]).shape == (4000,)


def test_a_resume_in_the_middle_of_an_epoch_reads_on(shards):
    corpus = open_corpus(shards)
    plan = plan_batches(corpus.durations, 1.5, seed=1, epoch=4).of_rank(0)
    whole, rest = list(BatchLoader(corpus, plan)), list(BatchLoader(open_corpus(shards), plan, 2))
    assert len(plan) > 3 and [batch.ids for batch in rest] == [batch.ids for batch in whole[2:]]
    assert all(torch.equal(one.signal, other.signal) for one, other in zip(rest, whole[2:], strict=True))


@lhotse_leaves_files_open
def test_channels_of_a_recording(tmp_path):
    cuts = make_cuts(tmp_path / "wav", num_channels=2)
    second = CutSet.from_cuts(cut.to_mono()[1] for cut in cuts)
    for number, some in enumerate((cuts, second)):
        folder = write_shards(some, tmp_path / f"shar{number}")
        corpus = open_shar(folder)
        for cut, item in zip(CutSet.from_shar(in_dir=folder), corpus, strict=True):
            np.testing.assert_allclose(corpus.read(item).numpy(), cut.load_audio().mean(axis=0), atol=1e-7)


def test_a_folder_that_is_not_divided(tmp_path):
    folder = write_shards(make_cuts(tmp_path / "wav"), tmp_path / "shar", size=None)
    assert (folder / "recording.tar").is_file()
    assert [item.id for item in open_corpus(folder)] == ODD


def test_an_object_store_gives_the_same(shards):
    memory = fsspec.filesystem("memory")
    memory.put(str(shards), "/bucket/shar", recursive=True)
    try:
        local, remote = open_shar(shards), open_corpus(Path("memory://bucket/shar"))
        assert [item.id for item in remote] == ODD
        for one, other in zip(local, remote, strict=True):
            assert other.member is not None and other.member.place.startswith("memory://bucket/shar/recording.")
            assert torch.equal(local.read(one), remote.read(other))
        memory.rm("/bucket/shar/recording.000001.tar")
        batches = BatchLoader(remote, [[0, 3], [1]])
        assert [batch.ids for batch in batches] == [[ODD[0]], [ODD[1]]]
        assert "recording.000001.tar" in str(batches.failed[ODD[3]])
        with pytest.raises(DataError, match=r"recording.*missing.*recording\.000001"):
            open_corpus("memory://bucket/shar")
    finally:
        memory.rm("/bucket", recursive=True)


def test_a_store_without_its_package_says_what_to_install(monkeypatch):
    with pytest.raises(DataError, match="no-such-scheme"):
        open_corpus("no-such-scheme://bucket/shar")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"audiossl\[remote\]"):
        open_corpus("s3://bucket/shar")


def test_urls_survive_paths():
    assert location(Path("s3://bucket/a b")) == "s3://bucket/a b"
    assert location(Path("file:///data/x")) == location("file:///data/x") == "/data/x"
    assert location("C:/data") == "C:/data" and location("data/x") == "data/x"


def test_the_index_is_kept_until_the_tar_changes(shards, tmp_path, monkeypatch):
    scans = []
    for path in shards.glob("*.idx"):  # lhotse 2 writes its own, which spares the scan
        path.unlink()
    monkeypatch.setattr("audiossl.signals.corpora.tar_index.scan_tar", lambda place: scans.append(place) or scan_tar(place))
    before = sorted(path.name for path in shards.iterdir())
    index = tmp_path / "run" / "index"
    first, again = open_shar(shards, index=index), open_shar(shards, index=index)
    assert len(scans) == 3 and first.items == again.items
    assert sorted(path.name for path in shards.iterdir()) == before and len(list(index.iterdir())) == 3
    other = write_shards(CutSet.from_cuts([cut.with_id(f"new {cut.id}") for cut in make_cuts(tmp_path / "wav")]), tmp_path / "b")
    for path in other.glob("*[!x]"):
        shutil.copy(path, shards / path.name)
    changed = open_shar(shards, index=index)
    assert len(scans) == 6 and changed.items[0].id == "new a"
    next(index.iterdir()).write_bytes(b"damaged")
    assert open_shar(shards, index=index).items == changed.items and len(scans) == 7


def test_a_tar_that_was_cut_short_is_named(shards):
    tar = shards / "recording.000001.tar"
    whole = tar.read_bytes()
    ends = [item.member.offset + item.member.size for item in scan_tar(str(tar))]
    for size in (ends[0] - 100, ends[1] - 10, len(whole) // 2, 700, 512, 100, 0):
        tar.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"recording\.000001\.tar"):
            open_shar(shards)


def test_a_tar_that_is_damaged_later_costs_its_items_only(shards):
    corpus = open_shar(shards)
    member = corpus.items[1].member
    assert member is not None
    with Path(member.place).open("r+b") as file:
        file.seek(member.offset)
        file.write(b"\0" * member.size)
    batches = BatchLoader(corpus, [[0, 1, 2]])
    assert [batch.ids for batch in batches] == [[ODD[0], ODD[2]]]
    assert "recording.000000.tar/" in str(batches.failed[ODD[1]])
    with pytest.raises(DataError, match="bytes early"):
        TarMember(member.place, member.offset, 10**9).read()


def test_shards_that_do_not_match_are_named(shards, tmp_path):
    def changed(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(shards, folder)
        return folder

    folder = changed("no tar")
    (folder / "recording.000002.tar").unlink()
    with pytest.raises(DataError, match=r"1 shards of 'recording' are missing, such as recording\.000002"):
        open_shar(folder)

    folder = changed("cuts")
    lines = gzip.decompress((folder / "cuts.000000.jsonl.gz").read_bytes()).splitlines()
    (folder / "cuts.000000.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines[:2])))
    with pytest.raises(DataError, match=r"recording\.000000\.tar holds 3 recordings, .*cuts\.000000\.jsonl\.gz 2 cuts"):
        open_shar(folder)
    (folder / "cuts.000000.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines))[:-20])
    with pytest.raises(DataError, match=r"cuts\.000000\.jsonl\.gz is damaged"):
        open_shar(folder)

    folder = changed("twice")
    for name in ("cuts.{}.jsonl.gz", "recording.{}.tar"):
        shutil.copy(folder / name.format("000000"), folder / name.format("000003"))
    with pytest.raises(DataError, match="same id"):
        open_shar(folder)

    folder = changed("gzip")
    tar = folder / "recording.000000.tar"
    tar.write_bytes(gzip.compress(tar.read_bytes()))
    with pytest.raises(DataError, match=r"recording\.000000\.tar is no whole, uncompressed tar"):
        open_shar(folder)
    tar.rename(folder / "recording.000000.tar.gz")
    with pytest.raises(DataError, match="compressed"):
        open_shar(folder)
    with pytest.raises(DataError, match="no cuts and no recording shards"):
        find_shards(str(tmp_path / "wav"))


def test_other_tars_are_refused(tmp_path):
    def tar_of(*members: tuple[str, bytes]) -> str:
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return str(tmp_path / "a.tar")

    with pytest.raises(DataError, match=r"'b\.flac'; expected its description 'a\.json'"):
        scan_tar(tar_of(("a.flac", b"x"), ("b.flac", b"y")))
    with pytest.raises(DataError, match=r"ends after 'a\.flac'"):
        scan_tar(tar_of(("a.flac", b"x")))


def test_tokens_come_back_from_shards(tmp_path):
    from audiossl.tokens.lhotse_arrays import attach_tokens
    from audiossl.tokens.store import TokenStore
    from audiossl.tokens.store_writer import TokenWriter

    cuts = make_cuts(tmp_path / "wav")
    about = {"quantiser_id": "q", "num_codebooks": 2, "codebook_size": 256, "frame_rate": 50.0}
    with TokenWriter(tmp_path / "tokens", **about) as writer:
        for cut in cuts:
            writer.add(cut.id, torch.randint(256, (int(cut.duration * 50), 2)))
    store = TokenStore.open(tmp_path / "tokens")
    folder = write_shards(attach_tokens(cuts, store), tmp_path / "shar", tokens="numpy")
    assert all("tokens" not in item.custom for item in open_shar(folder))
    with TokenWriter(tmp_path / "again", **about) as writer:
        for id_, codes in shar_arrays(folder):
            writer.add(id_, torch.from_numpy(codes))
    again = TokenStore.open(tmp_path / "again")
    assert again.cut_ids() == ODD and all(torch.equal(again[id_], store[id_]) for id_ in ODD)
    with pytest.raises(DataError, match="no video"):
        list(shar_arrays(folder, "video"))


def test_other_corpora_open_the_same_way(tmp_path, shards):
    build_corpus([Item("one", tmp_path / "wav" / "0.wav")], tmp_path / "corpus", progress=False)
    for path in (tmp_path / "corpus", tmp_path / "corpus" / "cuts.jsonl.gz"):
        assert [item.id for item in open_corpus(path)] == ["one"]
    with pytest.raises(DataError, match=r"recording\.000000\.tar; open the shards with CutSet\.from_shar"):
        open_corpus(shards).cuts()
