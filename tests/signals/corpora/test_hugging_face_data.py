"""Hugging Face data sets: saved to disk, in Parquet or on the hub, the same clips, with classes by name."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet
from small_recordings import write_sounds

from audiossl.errors import DataError
from audiossl.signals.corpora.hugging_face_data import unpack_data_set
from audiossl.signals.corpora.opening import open_corpus

FEATURES = {"audio": {"_type": "Audio"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}, "note": {"_type": "Value"}}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOSSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path):
    sounds = write_sounds(tmp_path / "made", ["x.wav", "y.wav", "z.wav"])
    rows = [
        {"audio": {"bytes": sound.read_bytes(), "path": sound.name}, "label": number % 2, "note": f"n{number}", "many": [1, 2]}
        for number, sound in enumerate(sounds)
    ]
    made = pa.Table.from_pylist(rows)
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})


def save_arrow(table, folder):
    folder.mkdir(parents=True)
    with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink, ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))


def check(corpus, prefix=""):
    assert [one.id for one in corpus] == [f"{prefix}{name}.wav" for name in "xyz"]
    assert [(one.custom["label"], one.custom["note"]) for one in corpus] == [("cat", "n0"), ("dog", "n1"), ("cat", "n2")]
    assert all(len(corpus.read(one)) == 3200 for one in corpus)


def test_saved_to_disk_in_parquet_and_on_the_hub_are_the_same(tmp_path, table, monkeypatch):
    save_arrow(table, tmp_path / "saved")
    check(open_corpus(tmp_path / "saved"))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    parquet.write_table(table, tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    check(open_corpus(tmp_path / "hub"))
    check(open_corpus(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet"))
    asked = []
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: asked.append(name) or str(tmp_path / "hub"))
    check(open_corpus("hf:someone/sounds"))
    assert asked == ["someone/sounds"]


def test_splits_are_columns_and_the_sound_is_unpacked_once(tmp_path, table):
    save_arrow(table, tmp_path / "set" / "train")
    save_arrow(table, tmp_path / "set" / "test")
    (tmp_path / "set" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    check(open_corpus(tmp_path / "set", where="split == 'test'"), "test/")
    first = unpack_data_set(tmp_path / "set")
    stamp = first.stat().st_mtime_ns
    assert unpack_data_set(tmp_path / "set") == first and first.stat().st_mtime_ns == stamp


def test_paths_in_place_of_bytes_are_followed_and_names_cannot_leave_the_folder(tmp_path, table):
    rows = table.to_pylist()
    rows[0]["audio"] = {"bytes": None, "path": "made/x.wav"}
    rows[1]["audio"]["path"] = "../../y.wav"
    parquet.write_table(pa.Table.from_pylist(rows[:2]), tmp_path / "some.parquet")
    corpus = open_corpus(tmp_path / "some.parquet")
    paths = [one.path for one in corpus]
    assert (tmp_path / "made" / "x.wav") in paths
    assert all(path.is_relative_to(tmp_path / "cache") or path.is_relative_to(tmp_path / "made") for path in paths)


def test_decoded_sound_and_an_unreachable_hub_say_what_to_do(tmp_path, monkeypatch):
    decoded = pa.Table.from_pylist([{"audio": {"array": [0.0, 0.1], "sampling_rate": 16000}}])
    parquet.write_table(decoded, tmp_path / "decoded.parquet")
    with pytest.raises(DataError, match=r"'audio' is decoded: save it undecoded"):
        unpack_data_set(tmp_path / "decoded.parquet")

    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(DataError, match=r"a/b cannot be fetched from the hub \(OSError: no network\)"):
        open_corpus("hf:a/b")
