"""`audiossl.search`: a store may name its model, and that never imports anything unless its reader says so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile
from own_student import MyEncoder

import audiossl
from audiossl.cli import main
from audiossl.embedding import EmbeddingStore
from audiossl.errors import AudiosslError, ConfigError, DataError, StoreError
from audiossl.models import hub


@pytest.fixture
def store(tmp_path):
    draws = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", draws.uniform(-0.3, 0.3, 8000), 16000)
    audiossl.embed("logmel", [tmp_path / f"{name}.wav" for name in "abc"], tmp_path / "store", layers="all")
    return tmp_path / "store"


def test_a_file_an_id_and_a_vector_find_the_same(store, tmp_path):
    opened = EmbeddingStore.open(store)
    name = opened.ids[1]
    np.save(tmp_path / "query.npy", opened.to_numpy()[1])
    by_id = audiossl.search(store, name, k=5)
    assert [one.id for one in by_id] == [one.id for one in opened.neighbours(name)] and len(by_id) == 2
    for query in (tmp_path / "b.wav", str(tmp_path / "query.npy"), opened.to_numpy()[1]):
        found = audiossl.search(store, query, k=3)
        assert found[0].id == name and [one.id for one in found[1:]] == [one.id for one in by_id]
    # Its own neighbours do not hold it, with a condition either; the condition may leave it out.
    assert [one.id for one in audiossl.search(store, name, where="id != 'nothing'")] == [one.id for one in by_id]
    assert [one.id for one in audiossl.search(store, name, where=f"id == '{opened.ids[2]}'")] == [opened.ids[2]]
    assert audiossl.search(store, name, where="id == 'nothing'") == []


@pytest.mark.parametrize("named", ["evil.py:Evil", "evil:Evil", "evil:Evil@x", "evil.py:Evil:3"])
def test_a_store_that_names_code_imports_nothing(store, tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\nclass Evil: ...\n")
    about = dataclasses.replace(EmbeddingStore.open(store).description, model=named)
    about.write(store)
    with pytest.raises(ConfigError, match="a store does not choose what is imported"):
        audiossl.search(store, tmp_path / "a.wav")
    assert main(["search", str(store), "a.wav"]) == 2
    assert audiossl.search(store, EmbeddingStore.open(store).ids[0])  # needs no model
    assert not (tmp_path / "ran").exists()
    assert audiossl.search(store, "a.wav", model="logmel", k=1)[0].similarity == pytest.approx(1)


def test_a_folder_of_a_class_from_outside_is_trusted_by_the_caller_alone(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 8000), 16000)
    hub.save(MyEncoder(), tmp_path / "model")
    model = audiossl.load(tmp_path / "model", trust_code=True)
    audiossl.embed(model, tmp_path / "a.wav", tmp_path / "store")
    with pytest.raises(AudiosslError, match="trust_code"):
        audiossl.search(tmp_path / "store", tmp_path / "a.wav")
    found = audiossl.search(tmp_path / "store", tmp_path / "a.wav", trust_code=True)
    assert found[0].similarity == pytest.approx(1)


def test_another_model_is_refused(store, tmp_path):
    about = dataclasses.replace(EmbeddingStore.open(store).description, digest="another")
    about.write(store)
    with pytest.raises(StoreError, match=r"made by logmel \(digest another\), not by logmel as it is now"):
        audiossl.search(store, tmp_path / "a.wav")
    about = dataclasses.replace(about, model="no such thing")
    about.write(store)
    with pytest.raises(AudiosslError, match="no such thing"):
        audiossl.search(store, tmp_path / "a.wav")


def test_what_is_no_query(store, tmp_path):
    with pytest.raises(DataError, match="neither an id of the store nor a file"):
        audiossl.search(store, "")
    with pytest.raises(StoreError, match="no store"):
        audiossl.search(tmp_path, "a")
