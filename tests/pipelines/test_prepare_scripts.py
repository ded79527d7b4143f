"""Prepare scripts on small copies of the official layouts."""

from __future__ import annotations

import pytest
from finetune_data import RECIPES, TAGS, make_audioset, make_librispeech

from audiossl.errors import ConfigError, DataError
from audiossl.files import read_json, read_jsonl
from audiossl.pipelines.prepare_script import load_script
from audiossl.signals.corpora.corpus import Corpus


def test_librispeech(tmp_path, capsys):
    script = load_script(RECIPES / "librispeech" / "prepare.py", ["prepare_corpus"]).module
    script.prepare_corpus(tmp_path / "corpus", make_librispeech(tmp_path / "data"), None)
    items = {item.id: item for item in Corpus.open(tmp_path / "corpus")}
    assert len(items) == 16 and "holds 4 of 28539 utterances" in capsys.readouterr().err
    item = items["103-7-0001"]
    assert (item.text, item.speaker, item.language) == ("TWO ONE FOUR", "103", "en")
    assert item.custom == {"part": "dev-clean", "side": "valid", "chapter": "7"} and item.path.is_relative_to(tmp_path / "data")
    script.prepare_corpus(tmp_path / "few", tmp_path / "data", 1)
    assert [item.custom["part"] for item in Corpus.open(tmp_path / "few")] == [
        "train-clean-100", "dev-clean", "test-clean", "test-other",
    ]  # fmt: skip


def test_librispeech_errors(tmp_path):
    script = load_script(RECIPES / "librispeech" / "prepare.py", ["prepare_corpus"]).module
    with pytest.raises(ConfigError, match="add data_root=FOLDER"):
        script.prepare_corpus(tmp_path / "corpus", tmp_path, None)
    listing = make_librispeech(tmp_path / "data") / "LibriSpeech" / "dev-clean" / "102" / "7" / "102-7.trans.txt"
    listing.write_text(listing.read_text().splitlines()[0])
    with pytest.raises(DataError, match=r"102-7-0001\.flac has no line"):
        script.prepare_corpus(tmp_path / "corpus", tmp_path / "data", None)
    listing.unlink()
    with pytest.raises(DataError, match=r"trans\.txt is missing"):
        script.prepare_corpus(tmp_path / "corpus", tmp_path / "data", None)


def test_audioset(tmp_path, capsys):
    script = load_script(RECIPES / "audioset" / "prepare.py").module
    root = make_audioset(tmp_path / "data")
    script.prepare_corpus(tmp_path / "corpus", root, None)
    corpus = Corpus.open(tmp_path / "corpus")
    assert len(corpus) == 10 and {item.custom["part"] for item in corpus} == {"balanced_train", "eval"}
    assert [row["id"] for row in read_jsonl(tmp_path / "missing.jsonl")] == ["balanced_train/-bala_00000", "eval/-eval_00000"]
    assert "2 of 12 clips have no file" in capsys.readouterr().err
    (tmp_path / "labels").mkdir()
    script.prepare_labels(tmp_path / "labels", corpus, root, None)
    assert read_json(tmp_path / "labels" / "classes.json") == list(TAGS.values())
    tags = {row["id"]: row["tags"] for row in read_jsonl(tmp_path / "labels" / "labels.jsonl")}
    assert set(tags) == {item.id for item in corpus}
    assert tags["eval/-eval_00002"] == ["Gush, splash"] and tags["eval/-eval_00005"] == ["Gush, splash", "Speech"]


def test_audioset_errors(tmp_path):
    script = load_script(RECIPES / "audioset" / "prepare.py").module
    with pytest.raises(ConfigError, match=r"balanced_train_segments\.csv and a folder wav"):
        script.prepare_corpus(tmp_path / "corpus", tmp_path, None)
    root = make_audioset(tmp_path / "data")
    (root / "wav").rename(root / "sounds")
    with pytest.raises(DataError, match="none of the 6 clips of balanced_train"):
        script.prepare_corpus(tmp_path / "corpus", root, None)


def test_load_script_errors(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_script(tmp_path / "prepare.py")
    (tmp_path / "prepare.py").write_text("def prepare_corpus(): ...\n")
    assert load_script(tmp_path / "prepare.py", ["prepare_corpus"]).module.prepare_corpus() is None
    with pytest.raises(ConfigError, match=r"no function prepare_labels"):
        load_script(tmp_path / "prepare.py")
