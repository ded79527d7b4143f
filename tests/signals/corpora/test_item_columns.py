"""Items in columns are the items that went in, take little memory, and open from a folder that was moved or is old."""

from __future__ import annotations

import dataclasses
import gzip
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import soundfile
from lhotse import CutSet, Recording

from audiossl.errors import ConfigError, StoreError
from audiossl.signals.corpora import stored_items
from audiossl.signals.corpora.corpus import FEW, Corpus, CorpusItem, Item, build_corpus
from audiossl.signals.corpora.item_columns import ItemColumns
from audiossl.signals.corpora.linking import LinkedSource, link_corpus
from audiossl.signals.corpora.manifest import Stretch
from audiossl.signals.corpora.tar_index import TarMember

BASE = CorpusItem("a", Path("wav/a.flac"), 0.0, 1.5, 24000, "a")
CHANGES = {
    "id": ["", "ü/é", "\udcff", "null\0"],
    "path": [Path(), Path(".."), Path("/"), Path("/a b/c.d/ü.wav"), Path("../x"), Path("/bad\udcff/x.wav"), Path("x/bad\udcff")],
    "start": [1e-9, 1e6],
    "num_samples": [1, 2**40],
    "recording": ["", "other"],
    "text": ["", "two words", "\udc80"],
    "speaker": ["x", "", "y"],
    "language": ["en"],
    "custom": [{"": ""}, {"n": 1, "x": 1e300, "ok": True, "ü": "é"}, {"s": "\udcff"}, {"inf": float("inf")}, {"big": 2**90}],
    "channels": [(0,), (0, 3), ()],
    "member": [TarMember("s3://b/a.tar", 2**40, 7), TarMember("bad\udcff.tar", 0, 1)],
    "cut": ['{"id": "a"}', object()],
    "declared": [1, 2**40],
    "same_as": ["b", ""],
    "heard": [(), (Stretch(Path("/x/y.wav"), 0.5, 1.0), Stretch(Path("z"), 0.0, 2.0))],
    "text_is_cut": [True],
}
ODD = [BASE, *(dataclasses.replace(BASE, **{name: value}) for name, values in CHANGES.items() for value in values)]


@pytest.mark.parametrize("rows", [1, 7, 2**14])
def test_what_goes_in_comes_out(monkeypatch, rows):
    monkeypatch.setattr("audiossl.signals.corpora.item_columns.ROWS", rows)
    for listed in ([], [BASE], ODD, ODD[::-1]):
        columns = ItemColumns.of(iter(listed))
        assert columns == listed and columns.ids == [item.id for item in listed]
        assert [columns[place] for place in range(len(listed))] == listed
        assert columns[-2:] == listed[-2:] and columns[::3] == listed[::3] and columns[99:] == []
        places = np.random.default_rng(0).permutation(len(listed))
        assert list(columns.take(places)) == [listed[place] for place in places]
        assert pickle.loads(pickle.dumps(ItemColumns.of(item for item in listed if item.cut is None))) is not None
        with pytest.raises(IndexError):
            columns[len(listed)]


def many(count: int) -> list[CorpusItem]:
    return [
        CorpusItem(
            f"reader{n % 251:04d}/utterance{n:07d}",
            Path(f"/data/audio/reader{n % 251:04d}/utterance{n:07d}.flac"),
            0.0,
            1.5,
            24000,
            f"recording{n:07d}",
            speaker=f"reader{n % 251:04d}",
            language="en",
            custom={"source": "toy", "domain": "speech"},
            channels=(0,),
            declared=24000,
        )
        for n in range(count)
    ]


def test_a_cut_takes_less_than_200_bytes(monkeypatch):
    monkeypatch.setattr("audiossl.signals.corpora.item_columns.ROWS", 700)  # several chunks
    listed = many(3_000)
    corpus = Corpus(listed, 16_000, None, Path())
    assert isinstance(corpus.items, ItemColumns) and corpus.items.table.nbytes < 200 * len(listed)
    assert corpus.items[2_345] == listed[2_345] and corpus.durations[-1] == 1.5
    assert len(pickle.loads(pickle.dumps(corpus)).items) == len(listed)


def test_a_subset_and_a_condition_are_columns_too():
    listed = many(2 * FEW)
    corpus = Corpus(listed, 16_000, None, Path())
    ids = {item.id for item in listed[::5]}
    assert list(corpus.subset(ids)) == listed[::5] and isinstance(corpus.subset(ids).items, ItemColumns)
    chosen = corpus.where("speaker == 'reader0007' and domain == 'speech'")
    assert list(chosen) == [item for item in listed if item.speaker == "reader0007"]
    assert list(Corpus(listed[:9], 16_000, None, Path()).where("id > 'reader0007'")) == [listed[7], listed[8]]
    with pytest.raises(ConfigError, match="did you mean speaker"):
        corpus.where("speeker == 'a'")


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(ord(name)).uniform(-0.3, 0.3, 8000), 16000)
    items = [Item(name, tmp_path / f"{name}.wav", text="héllo", speaker=name, custom={"n": 1}) for name in ("a", "b")]
    build_corpus(items, tmp_path / "corpus", progress=False)
    return tmp_path / "corpus"


def by_lines(folder: Path) -> Corpus:
    """The corpus as one of an older version, without columns."""
    old = folder.with_name("old")
    shutil.copytree(folder, old)
    (old / stored_items.ARROW).unlink()
    corpus = Corpus.open(old)
    old.rename(folder.with_name("gone"))
    return corpus


def test_columns_say_what_the_lines_say_wherever_the_folder_lies(folder, monkeypatch):
    moved = folder.rename(folder.with_name("moved"))
    expected = [item.path.relative_to(folder.with_name("old")) for item in by_lines(moved)]
    monkeypatch.setattr(stored_items, "from_line", None)  # the lines are not read
    corpus = Corpus.open(moved)
    assert [item.path for item in corpus] == [moved / path for path in expected]
    assert [(item.id, item.text, item.custom, item.declared) for item in corpus] == [
        ("a", "héllo", {"n": 1}, None),
        ("b", "héllo", {"n": 1}, None),
    ]
    assert len(corpus.read(corpus.items[1])) == 8000


@pytest.mark.parametrize("damage", ["other lines", "noise", "empty", "other columns"])
def test_columns_that_do_not_fit_the_lines_are_passed_over(folder, damage):
    arrow = folder / stored_items.ARROW
    if damage == "other lines":
        with gzip.open(folder / stored_items.CUTS, "rt") as lines:
            rows = [json.loads(line) for line in lines]
        rows[0]["supervisions"][0]["speaker"] = "else"
        with gzip.open(folder / stored_items.CUTS, "wt") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in rows)
    elif damage == "other columns":
        with pyarrow.memory_map(str(arrow)) as file:
            metadata = pyarrow.ipc.open_file(file).schema.metadata
        table = pyarrow.table({"id": [1, 2]}).replace_schema_metadata(metadata)
        with pyarrow.OSFile(str(arrow), "wb") as file, pyarrow.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        arrow.write_bytes(np.random.default_rng(0).bytes(700) if damage == "noise" else b"")
    assert Corpus.open(folder).items[0].speaker == ("else" if damage == "other lines" else "a")
    (folder / stored_items.CUTS).unlink()
    with pytest.raises(StoreError, match=r"cuts\.jsonl\.gz is missing"):
        Corpus.open(folder)


def test_a_linked_corpus_has_columns_unless_lhotse_reads_its_cuts(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 8000), 16000)
    cut = Recording.from_file(tmp_path / "a.wav").to_cut()
    for name, changed in (("plain", cut), ("slow", cut.perturb_speed(0.9))):
        CutSet.from_cuts([changed]).to_file(tmp_path / f"{name}.jsonl.gz")
        link_corpus([LinkedSource(name, "speech", str(tmp_path / f"{name}.jsonl.gz"))], tmp_path / name)
        assert (tmp_path / name / stored_items.ARROW).exists() == (name == "plain")
        assert Corpus.open(tmp_path / name).items[0].path == tmp_path / "a.wav"
