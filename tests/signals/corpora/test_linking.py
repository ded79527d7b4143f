"""Corpora that point to the audio of several manifests."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lhotse import CutSet, Recording

from audiossl.errors import ConfigError, DataError, StoreError
from audiossl.files import read_jsonl
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.linking import LinkedSource, find_sources, link_corpus
from audiossl.signals.corpora.shar import open_shar

SECONDS = {"a": 0.5, "b": 1.2, "long": 3.0, "tick": 0.05}


@pytest.fixture
def data_root(tmp_path, monkeypatch) -> Path:
    """A data set with a manifest of relative paths, and one in shards."""
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    cuts = []
    for number, (name, seconds) in enumerate(SECONDS.items()):
        (root / "spoken" / "wav").mkdir(parents=True, exist_ok=True)
        path = root / "spoken" / "wav" / f"{name}.wav"
        soundfile.write(path, np.random.default_rng(number).uniform(-0.5, 0.5, int(16000 * seconds)), 16000)
        cut = Recording.from_file(path).to_cut().with_id(name)
        cut.custom = {"prompt": name, "vector": [1, 2]}
        cuts.append(cut)
    cuts = CutSet.from_cuts(cuts)
    shards = root / "sounds" / "shar"
    shards.mkdir(parents=True)
    cuts.to_shar(shards, fields={"recording": "flac"}, shard_size=2)
    rows = [cut.to_dict() for cut in cuts]
    for row in rows:
        row["recording"]["sources"][0]["source"] = f"wav/{row['id']}.wav"
    write_manifest(root / "spoken" / "cuts_all.jsonl.gz", rows)
    return root


def write_manifest(path: Path, rows: list) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


DOMAINS = {"spoken": "speech", "sounds": "audio"}


def test_two_data_sets_become_one_without_a_copy(data_root, tmp_path):
    summary = link_corpus(find_sources(data_root, DOMAINS), tmp_path / "corpus", min_seconds=0.1, max_seconds=2.0)
    assert (summary.num_items, summary.rejected) == (4, {"too_long": 2, "too_short": 2})
    assert summary.hours == pytest.approx(2 * 1.7 / 3600)
    assert not list((tmp_path / "corpus").rglob("*.flac"))
    shutil.move(tmp_path / "corpus", tmp_path / "moved")
    corpus = Corpus.open(tmp_path / "moved")
    assert [item.id for item in corpus] == ["spoken/a", "spoken/b", "sounds/a", "sounds/b"]
    packed = {item.id: item for item in open_shar(data_root / "sounds" / "shar")}
    for item in corpus:
        source, name = item.id.split("/")
        assert item.custom == {"prompt": name, "source": source, "domain": DOMAINS[source]}
        expected, _ = soundfile.read(data_root / "spoken" / "wav" / f"{name}.wav", dtype="float32")
        assert torch.equal(corpus.read(item), torch.from_numpy(expected))
        assert (item.member is not None) == (source == "sounds") and item.num_samples == packed[name].num_samples
    assert {row["id"] for row in read_jsonl(tmp_path / "moved" / "rejected.jsonl")} == {
        f"{source}/{name}" for source in DOMAINS for name in ("long", "tick")
    }


def test_a_yaml_file_says_where_data_sets_are(data_root, tmp_path):
    declared = data_root / "sources.yaml"
    declared.write_text(
        f"more: {{domain: speech, path: spoken/cuts_all.jsonl.gz}}\n"
        f"sounds: {{domain: audio, path: {data_root / 'sounds' / 'shar'}}}\n"
        "far: {domain: speech, path: 's3://bucket/shar'}\n"
    )
    sources = find_sources(declared, {"libriheavy": "speech"})
    assert [(source.name, source.place) for source in sources] == [
        ("more", str(data_root / "spoken" / "cuts_all.jsonl.gz")),
        ("far", "s3://bucket/shar"),
    ]
    assert link_corpus(sources[:1], tmp_path / "corpus", limit=2).num_items == 2
    declared.write_text("more: speech\n")
    with pytest.raises(ConfigError, match=r"libriheavy: \{domain"):
        find_sources(declared, DOMAINS)


def test_what_is_missing_is_named(data_root, tmp_path):
    with pytest.raises(DataError, match="no manifest or shards of gigaspeech"):
        find_sources(data_root, {**DOMAINS, "gigaspeech": "speech"})
    with pytest.raises(ConfigError, match="data_root=None"):
        find_sources(None, DOMAINS)
    shutil.rmtree(data_root / "spoken" / "wav")
    with pytest.raises(DataError, match=r"cuts_all\.jsonl\.gz: its first recording .* is not there"):
        link_corpus(find_sources(data_root, {"spoken": "speech"}), tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").touch()
    with pytest.raises(StoreError, match="not a corpus"):
        link_corpus([], tmp_path / "full")


def test_lines_that_are_no_recordings_and_ids_that_come_twice_are_left_out(data_root, tmp_path):
    manifest = data_root / "spoken" / "cuts_all.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(manifest.read_bytes()).splitlines()]
    write_manifest(manifest, [rows[0], rows[0], {"id": "mixed", "type": "MixedCut", "tracks": []}])
    source = LinkedSource("spoken", "speech", str(manifest))
    assert link_corpus([source], tmp_path / "corpus").rejected == {"duplicate_id": 1, "unreadable": 1}
    manifest.write_bytes(manifest.read_bytes()[:-30])
    with pytest.raises(DataError, match="cannot be read"):
        link_corpus([source], tmp_path / "corpus")
