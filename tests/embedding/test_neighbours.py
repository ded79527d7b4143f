"""Search in a store next to a slow second implementation, and what it refuses."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from stores import draw, write_store

import audiossl.embedding.store as store_module
from audiossl.embedding import Embedder, EmbeddingStore, StoreWriter, shards
from audiossl.embedding.extract import describe
from audiossl.embedding.vector_search import Scored, nearest
from audiossl.errors import ConfigError, DataError, MissingExtraError, StoreError


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("layer", [None, 2, 5])
@pytest.mark.parametrize("block", [3, 2**16])
def test_neighbours_are_those_of_all_pairs(tmp_path, monkeypatch, layer, block):
    for module in (shards, store_module):
        monkeypatch.setattr(module, "BLOCK", block)
    frames = draw(11, 2, 6, 5)
    store = write_store(tmp_path, frames, layers=[2, 5])
    place = 1 if layer is None else [2, 5].index(layer)
    pooled = frames.mean(2)[:, place]

    found = store.neighbours("i3", 4, layer=layer)
    expected = sorted((-cosine(pooled[3], vector), number) for number, vector in enumerate(pooled) if number != 3)[:4]
    assert [one.id for one in found] == [f"i{number}" for _, number in expected]
    assert np.allclose([one.similarity for one in found], [-score for score, _ in expected], atol=1e-6)
    # As a vector it is no item, so that the item itself comes first.
    assert [one.id for one in store.neighbours(pooled[3], 5, layer=layer)] == ["i3", *(one.id for one in found)]
    assert store.neighbours(torch.from_numpy(frames.mean(2)[3]), 2, layer=layer)[0].id == "i3"  # (L, D)


def test_frames_are_searched_one_by_one(tmp_path, monkeypatch):
    for module in (shards, store_module):
        monkeypatch.setattr(module, "BLOCK", 7)
    frames = draw(9, 1, 6, 5)
    store = write_store(tmp_path, frames)
    query = draw(5, seed=9)

    found = store.neighbours(query, 3, by="frames")
    best = sorted((-max(cosine(query, frame) for frame in item[0]), number) for number, item in enumerate(frames))[:3]
    assert [one.id for one in found] == [f"i{number}" for _, number in best]
    for one, (score, number) in zip(found, best, strict=True):
        frame = int(np.argmax([cosine(query, frame) for frame in frames[number, 0]]))
        assert one.time == pytest.approx(number + 0.01 + frame / 50) and one.similarity == pytest.approx(-score, abs=1e-6)
        assert (one.file, one.start, one.end) == (f"/somewhere/{number}.wav", number, number + 0.12)


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 8), st.integers(1, 7))
def test_ties_go_to_the_earlier_row_however_the_blocks_are_cut(scores, k, size):
    values = np.array(scores, np.float32)
    blocks = [Scored(np.arange(len(values))[i : i + size], values[i : i + size], np.full(len(values[i : i + size]), -1))
              for i in range(0, len(values), size)]  # fmt: skip
    assert nearest(blocks, k).rows.tolist() == sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k]


def test_k_beyond_the_store_and_an_empty_store(tmp_path):
    store = write_store(tmp_path / "some", draw(3, 1, 2, 4))
    assert len(store.neighbours("i0", 99)) == 2 and len(store.neighbours(draw(4), 99)) == 3
    assert write_store(tmp_path / "none", draw(0, 1, 2, 4)).neighbours(draw(4), 3) == []
    for k in (0, -1):
        with pytest.raises(ConfigError, match="at least 1 neighbour"):
            store.neighbours(draw(4), k)


def test_large_and_tiny_vectors_have_directions_too_and_zeros_are_like_nothing(tmp_path):
    frames = draw(4, 1, 1, 4)
    frames[1], frames[2], frames[3] = frames[0] * 1e30, frames[0] * 1e-30, 0
    found = write_store(tmp_path, frames).neighbours(frames[0, 0, 0], 4)
    assert [one.similarity for one in found] == pytest.approx([1, 1, 1, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "neither an id of the store nor a file"),
        ("i33", r"neither an id of the store nor a file \(did you mean i3\?\)"),
        (np.full(4, np.nan, np.float32), "finite numbers"),
        (np.zeros(4, np.float32), "zeros alone"),
        (np.zeros(5, np.float32), "4 numbers, as the vectors of the store, got shape"),
        (np.zeros((0,), np.float32), "4 numbers"),
        (np.array(["a"] * 4), "expected a query of numbers"),
    ],
)
def test_what_is_no_query_is_refused(tmp_path, query, message):
    with pytest.raises(DataError, match=message):
        write_store(tmp_path, draw(5, 1, 2, 4)).neighbours(query)


def test_a_file_is_embedded_by_the_model_of_the_store(tmp_path, toy):
    model = Embedder(toy, "toy")
    rate = round(model.sample_rate)
    clips = [tmp_path / f"{number}.wav" for number in range(3)]
    with StoreWriter(tmp_path / "store", describe(model, [1, 2])) as writer:
        for number, path in enumerate(clips):
            soundfile.write(path, 0.3 * draw(rate, seed=number).clip(-3, 3), rate)
            writer.add(path.name, model.embed(path, layers=[1, 2]).frames.numpy(), path=str(path))
    store = EmbeddingStore.open(tmp_path / "store", model)
    np.save(tmp_path / "query.npy", store.pooled()[1])
    for query in (str(clips[1]), clips[1], model.embed(clips[1], layers=[1, 2]), tmp_path / "query.npy"):
        assert store.neighbours(query, 1)[0].id == "1.wav"
    with pytest.raises(StoreError, match=r"audiossl\.load\('toy'\)"):
        EmbeddingStore.open(tmp_path / "store").neighbours(clips[1])
    torch.nn.init.zeros_(toy.front.weight)
    with pytest.raises(StoreError, match="vectors of two models cannot be compared"):
        EmbeddingStore.open(tmp_path / "store", model)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY but not")
    with pytest.raises(DataError, match="no array of numbers"):
        store.neighbours(tmp_path / "bad.npy")


def test_layers_and_ways_that_do_not_exist(tmp_path):
    store = write_store(tmp_path, draw(3, 2, 2, 4), layers=[1, 3])
    with pytest.raises(ConfigError, match="layer 2 is not in the store, which holds the layers 1, 3"):
        store.neighbours(draw(4), layer=2)
    with pytest.raises(ConfigError, match="for pooled alone"):
        store.neighbours(draw(4), by="frames", index="faiss")


def test_faiss_is_used_only_when_it_is_asked_for(tmp_path, monkeypatch):
    store = write_store(tmp_path, draw(9, 1, 2, 4))
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*faiss"):
        store.neighbours("i0", index="faiss")

    class Flat:  # of the real library, what is used of it
        def __init__(self, dim):
            self.rows = np.zeros((0, dim), np.float32)
            self.ntotal = 0

        def add(self, vectors):
            self.rows = np.concatenate([self.rows, vectors])
            self.ntotal = len(self.rows)

        def search(self, query, k):
            order = np.argsort(-(self.rows @ query[0]), kind="stable")[:k]
            return (self.rows @ query[0])[order][None], order[None]

    module = types.ModuleType("faiss")
    module.IndexFlatIP = Flat
    monkeypatch.setitem(sys.modules, "faiss", module)
    assert [one.id for one in store.neighbours("i0", 4, index="faiss")] == [one.id for one in store.neighbours("i0", 4)]


def test_a_store_that_is_being_written_is_read_as_it_was(tmp_path):
    store = write_store(tmp_path, draw(8, 1, 2, 4))
    with StoreWriter(tmp_path, store.description) as writer:
        writer.add("later", draw(1, 2, 4))
        assert len(store.neighbours("i0", 99)) == 7 and len(EmbeddingStore.open(tmp_path)) == 8
    assert len(store.neighbours("i0", 99)) == 7 and len(EmbeddingStore.open(Path(tmp_path)).neighbours("i0", 99)) == 8
