"""Whatever is opened as a corpus keeps what is known of it, and says what it left out."""

from __future__ import annotations

import json

import pytest
from small_recordings import write_sounds, write_table

from audiossl.errors import ConfigError, DataError
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.opening import open_corpus, write_gathered
from audiossl.signals.corpora.recordings import gather
from audiossl.signals.corpora.sources import gather_sources, read_sources


@pytest.fixture
def folder(tmp_path):
    write_sounds(tmp_path / "rec", ["a/0.wav", "a/1.wav", "b/0.wav"])
    return tmp_path / "rec"


def test_a_condition_chooses_by_columns_and_by_length(folder, tmp_path):
    write_sounds(folder, ["b/long.wav"], 1.0)
    names = ["a/0.wav", "a/1.wav", "b/0.wav", "b/long.wav"]
    table = write_table(tmp_path / "t.csv", [{"path": name, "speaker": name[0], "age": 30 + len(name)} for name in names])
    assert [one.id for one in open_corpus(folder, table=table, where="speaker == 'b' and duration < 0.5")] == ["rec/b/0.wav"]
    assert [one.custom["age"] for one in open_corpus(folder, table=table, where="age > 37")] == ["40"]
    with pytest.raises(ConfigError, match=r"no column is called 'speker' \(did you mean speaker\?\)"):
        open_corpus(folder, table=table, where="speker == 'b'")
    with pytest.raises(DataError, match=r"holds for none of 4 recordings. speaker is one of a, b"):
        open_corpus(folder, table=table, where="speaker == 'c'")


def test_sources_are_told_apart_and_patterns_are_named_after_their_folder(folder):
    several = [{"path": str(folder / "a"), "domain": "speech"}, {"path": str(folder / "b"), "name": "noises", "repeats": 2}]
    assert [(one.id, one.custom) for one in open_corpus(several)] == [
        ("a/0.wav", {"source": "a", "domain": "speech"}), ("a/1.wav", {"source": "a", "domain": "speech"}),
        ("noises/b/0.wav", {"source": "noises"}),
    ]  # fmt: skip
    assert [one.id for one in open_corpus(several, where="source == 'noises'")] == ["noises/b/0.wav"]
    assert [one.id for one in open_corpus(folder / "*" / "0.wav")] == ["rec/a/0.wav", "rec/b/0.wav"]
    assert read_sources(str(folder / "*" / "0.wav"))[0].called == "rec"


@pytest.mark.parametrize(
    "where, message",
    [
        ("nowhere", "nowhere does not exist"),
        ([], "got an empty list"),
        ([{"path": ".", "repeat": 2}], r"corpus.repeat: expected one of the keys .* \(did you mean repeats\?\)"),
        ([".", "."], "Give each a name"),
        ([{"path": ".", "repeats": 0}], "expected repeats above 0"),
        ("no/such/*.wav", "does not exist"),
    ],
)
def test_what_is_no_source_says_why(where, message):
    with pytest.raises(ConfigError, match=message):
        open_corpus(where)


def test_what_a_corpus_folder_points_to_reads_as_it_does_here(folder, tmp_path):
    rows = [
        {"path": "a/0.wav", "start": 0.05, "end": 0.15, "speaker": "x"},
        {"path": "b/0.wav", "start": "", "end": "", "speaker": "y"},
    ]
    table = write_table(folder / "clips.csv", rows)
    gathered = gather([table])
    write_gathered(gathered, tmp_path / "corpus", progress=False)
    stored, opened = Corpus.open(tmp_path / "corpus"), open_corpus(table)
    for one, other in zip(stored, opened, strict=True):
        assert stored.read(one).equal(opened.read(other)) and (one.speaker, one.id) == (other.speaker, other.id)
    write_gathered(gather([tmp_path / "corpus"]), tmp_path / "again", progress=False)  # through items, as shards and manifests go
    again = Corpus.open(tmp_path / "again")
    assert [(one.id, one.start, one.num_samples, one.speaker) for one in again] == [
        (one.id, one.start, one.num_samples, one.speaker) for one in stored
    ]


def test_what_is_left_out_is_listed_with_its_reason(folder, tmp_path):
    (folder / "bad.wav").write_bytes(b"RIFF")
    rejected: list = []
    assert len(open_corpus(folder, rejected=rejected)) == 3
    assert rejected[0]["id"] == "rec/bad.wav" and rejected[0]["reason"]
    summary = write_gathered(gather([folder]), tmp_path / "corpus", progress=False)
    listed = [json.loads(line) for line in (tmp_path / "corpus" / "rejected.jsonl").read_text().splitlines()]
    assert summary.num_rejected == len(listed) == 1


def test_a_limit_is_of_each_source(folder):
    sources = read_sources([{"path": str(folder / "a"), "name": "x"}, {"path": str(folder / "b"), "name": "y"}])
    assert list(gather_sources(sources, limit=1).by_id) == ["x/a/0.wav", "y/b/0.wav"]
