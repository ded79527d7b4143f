"""An encoder that was trained on test items is refused by whatever name, link, copy or descendant it is given."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiossl.errors import ConfigError
from audiossl.files import write_json
from audiossl.pipelines.unseen import check_unseen, write_trained_on
from audiossl.signals.corpora.corpus import Corpus, Item, build_corpus


def make_run(run: Path, train: list[str], student: str = "pretrain/student") -> Path:
    write_json(run / student / "config.json", {})
    write_json(run / "corpus" / "splits.json", {"train": train, "valid": ["v"], "test": ["t"]})
    return run


def refused(test: list[str], encoder: Path | str, corpus: Corpus | None = None) -> bool:
    try:
        check_unseen(test, str(encoder), corpus)
    except ConfigError as error:
        assert "too good" in str(error)
        return True
    return False


def test_by_the_run_its_checkpoint_a_link_and_a_copy(tmp_path):
    run = make_run(tmp_path / "runs" / "x", ["a", "librispeech/c"])
    write_trained_on(run / "pretrain" / "student", ["a", "librispeech/c"])
    (tmp_path / "linked").symlink_to(run / "pretrain" / "student")
    shutil.copytree(run, tmp_path / "copy")
    shutil.copytree(run / "pretrain" / "student", tmp_path / "only student")
    shutil.move(run / "pretrain", run / "pretrain.0123abcd")
    places = [run / "pretrain.0123abcd" / "student", tmp_path / "copy", tmp_path / "copy" / "pretrain" / "student"]
    for place in (*places, tmp_path / "only student", f"hf:{tmp_path / 'only student'}"):
        assert refused(["t", "a"], place) and refused(["c"], place) and refused(["train/a"], place)
        assert not refused(["v", "t", "b", "x/c"], place)


def test_copies_of_another_speed_were_seen(tmp_path):
    run = make_run(tmp_path / "run", ["a_sp0.9", "x/sp1.1-b", "c"])
    assert refused(["a"], run) and refused(["b"], run) and refused(["c_sp0.9"], run) and not refused(["d_sp0.9"], run)


def test_what_is_no_run_says_nothing(tmp_path, monkeypatch):
    make_run(tmp_path, ["a"])
    monkeypatch.chdir(tmp_path)
    assert not refused(["a"], "marcoyang/spear-base-speech") and not refused(["a"], "logmel") and not refused(["a"], "hf:x/y:3")


def test_by_the_run_that_a_fine_tuned_encoder_came_from(tmp_path):
    first = make_run(tmp_path / "first", ["a"])
    second = make_run(tmp_path / "second", ["b"], "train/model/encoder")
    write_json(second / "recipe.json", {"config": {"encoder": str(first)}})
    write_json(first / "recipe.json", {"config": {"encoder": str(second)}})  # a loop ends as well
    assert refused(["a"], second) and refused(["b"], second / "train" / "model" / "encoder") and not refused(["c"], second)


def test_by_the_same_audio_under_other_ids(tmp_path):
    draws = np.random.default_rng(0)
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", draws.uniform(-0.3, 0.3, 8000), 16000)
    run = make_run(tmp_path / "run", ["one", "two"])
    names = {"one": "a", "two": "b", "v": "c"}
    build_corpus([Item(id_, tmp_path / f"{file}.wav") for id_, file in names.items()], run / "corpus" / "corpus", progress=False)
    build_corpus([Item(f"x{n}", tmp_path / f"{n}.wav") for n in "abc"], tmp_path / "corpus", progress=False)
    corpus = Corpus.open(tmp_path / "corpus")
    assert refused(["xb", "xc"], run, corpus) and not refused(["xc"], run, corpus) and not refused(["xb"], run)
    shutil.rmtree(run / "corpus" / "corpus")
    assert not refused(["xb"], run, corpus)


def test_a_damaged_list_is_named(tmp_path):
    write_json(tmp_path / "config.json", {})
    (tmp_path / "trained_on.json.gz").write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match=r"trained_on\.json\.gz"):
        check_unseen(["a"], str(tmp_path))
