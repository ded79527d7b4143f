from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from pyarrow import parquet

from audiossl.embedding import EmbeddingStore, StoreDescription, StoreWriter
from audiossl.errors import DataError, StoreError
from audiossl.signals.corpora.origins import COLUMNS

DESCRIPTION = StoreDescription("toy", "d1", [0, 2], dim=4, frame_rate=50.0, frame_offset=0.01)


def frames_of(number, size=None):
    size = 3 + number if size is None else size
    return np.random.default_rng(number).normal(size=(2, size, 4)).astype(np.float32)


def fill(folder, numbers, description=DESCRIPTION, **kwargs):
    with StoreWriter(folder, description, **kwargs) as writer:
        for number in numbers:
            if f"item {number}" not in writer:
                writer.add(f"item {number}", frames_of(number), start=number * 0.5, path=f"a/{number}.wav")


def test_what_goes_in_comes_out(tmp_path):
    fill(tmp_path, range(25), shard_items=10)
    assert len(list(tmp_path.glob("frames-*.npy"))) == 3
    store = EmbeddingStore.open(tmp_path)
    assert store.ids == [f"item {number}" for number in range(25)] == list(store) and "item 3" in store and len(store) == 25
    for number, (item_id, frames) in enumerate(store.items()):
        assert isinstance(frames, np.memmap) and frames.dtype == np.float16
        assert np.array_equal(frames, frames_of(number).astype(np.float16))
        assert store.item(item_id).path == f"a/{number}.wav"
        assert np.allclose(store.times(item_id), number * 0.5 + 0.01 + np.arange(3 + number) / 50)
    expected = np.stack([frames_of(number).mean(1) for number in range(25)])
    assert np.allclose(store.pooled(), expected, atol=1e-6)  # of the float32 frames, before they were rounded
    with pytest.raises(StoreError, match="item 99"):
        store["item 99"]


def test_index_has_the_columns_of_the_design(tmp_path):
    fill(tmp_path, range(3))
    names = parquet.read_table(tmp_path / "index-000000.parquet").column_names
    assert names == ["id", "shard", "offset", "num_frames", "start", "frame_rate", "path", *COLUMNS, "seconds"]


def test_pooled_store_keeps_no_frames(tmp_path):
    fill(tmp_path, range(4), dataclasses.replace(DESCRIPTION, contents="pooled"))
    assert not list(tmp_path.glob("frames-*"))
    store = EmbeddingStore.open(tmp_path)
    assert np.allclose(store.pooled()[3], frames_of(3).mean(1), atol=1e-6)
    with pytest.raises(StoreError, match="pooled"):
        store["item 3"]


def test_killed_writer_leaves_whole_shards_and_resume_adds_the_rest(tmp_path):
    writer = StoreWriter(tmp_path, DESCRIPTION, shard_items=4)
    for number in range(10):
        writer.add(f"item {number}", frames_of(number))
    del writer  # killed: items 8 and 9 were not flushed
    (tmp_path / "frames-000002.npy").write_bytes(b"half a shard")  # and it died before the index of this one
    assert len(EmbeddingStore.open(tmp_path)) == 8
    fill(tmp_path, range(10), shard_items=4)
    store = EmbeddingStore.open(tmp_path)
    assert store.ids == [f"item {number}" for number in range(10)]
    assert np.array_equal(store["item 9"], frames_of(9).astype(np.float16))


def test_failure_inside_the_block_keeps_what_was_added(tmp_path):
    with pytest.raises(RuntimeError), StoreWriter(tmp_path, DESCRIPTION) as writer:
        writer.add("item 0", frames_of(0))
        raise RuntimeError
    assert EmbeddingStore.open(tmp_path).ids == ["item 0"]


def test_parts_are_read_together_and_know_of_each_other(tmp_path):
    fill(tmp_path, [0, 1], part="0-of-2")
    fill(tmp_path, [1, 2], part="1-of-2")
    fill(tmp_path, [2, 3])
    store = EmbeddingStore.open(tmp_path)
    assert sorted(store) == ["item 0", "item 1", "item 2", "item 3"]
    assert np.allclose(store.pooled()[store.ids.index("item 2")], frames_of(2).mean(1), atol=1e-6)
    shutil.copytree(tmp_path / "part-0-of-2", tmp_path / "part-copy")
    with pytest.raises(StoreError, match="once"):
        EmbeddingStore.open(tmp_path)


def test_one_store_one_model(tmp_path):
    fill(tmp_path, range(2))
    assert "item 1" in StoreWriter(tmp_path, dataclasses.replace(DESCRIPTION, model="the same by another name"))
    for change in ({"digest": "d2"}, {"layers": [0, 1]}, {"dtype": "float32"}):
        with pytest.raises(StoreError, match=next(iter(change))):
            StoreWriter(tmp_path, dataclasses.replace(DESCRIPTION, **change))
        with pytest.raises(StoreError, match=next(iter(change))):
            StoreWriter(tmp_path, dataclasses.replace(DESCRIPTION, **change), part="0")


def test_writer_refuses_what_would_spoil_the_store(tmp_path):
    with StoreWriter(tmp_path, DESCRIPTION) as writer:
        writer.add("item 0", frames_of(0))
        with pytest.raises(StoreError, match="new id"):
            writer.add("item 0", frames_of(0))
        with pytest.raises(StoreError, match="layers, width"):
            writer.add("b", frames_of(1)[:, :, :3])
        with pytest.raises(StoreError, match="layers, width"):
            writer.add("b", frames_of(1, size=0))
        with pytest.raises(DataError, match="finite"):
            writer.add("b", frames_of(1) * np.nan)
        with pytest.raises(DataError, match="float32"):
            writer.add("b", frames_of(1) + 1e5)
        writer.add("b", frames_of(1))
    assert EmbeddingStore.open(tmp_path).ids == ["item 0", "b"]


def test_what_is_no_store(tmp_path):
    with pytest.raises(StoreError, match="found no store"):
        EmbeddingStore.open(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(StoreError, match=r"store\.json"):
        EmbeddingStore.open(tmp_path)
    (tmp_path / "store.json").write_text('{"version": 99}')
    with pytest.raises(StoreError, match="version"):
        EmbeddingStore.open(tmp_path)


def test_missing_and_broken_shards_are_named(tmp_path):
    fill(tmp_path, range(2))
    (tmp_path / "frames-000000.npy").unlink()
    with pytest.raises(StoreError, match="frames-000000"):
        EmbeddingStore.open(tmp_path)["item 0"]
    (tmp_path / "index-000000.parquet").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="index-000000"):
        EmbeddingStore.open(tmp_path)
