"""A store as a table: columns of any names, exports, and joins with other tables."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet
from stores import draw, write_store

import audiossl.embedding.store as store_module
from audiossl.embedding import EmbeddingStore, StoreWriter, shards
from audiossl.errors import ConfigError, DataError, MissingExtraError, StoreError
from audiossl.signals.corpora.origins import Origin

COLUMNS = [{"Größe": 3, "id": "x", "vector": True, "shard": "s", "speaker": "ab"[n % 2]} for n in range(6)]


def test_columns_called_like_the_stores_own_do_no_harm(tmp_path):
    frames = draw(6, 1, 3, 4)
    store = write_store(tmp_path, frames, columns=COLUMNS)
    assert store.ids == [f"i{number}" for number in range(6)] and store.columns == ["Größe", "id", "vector", "shard", "speaker"]
    names = ["id", "file", "start", "end", "Größe", "table_id", "table_vector", "shard", "speaker"]
    assert store.table().column_names == names
    assert store.where("table_id == 'x' and `Größe` == 3 and speaker == 'b' and start > 1").ids == ["i3", "i5"]
    assert np.array_equal(store.where("start >= 4")["i5"][0], frames[5, 0])
    with pytest.raises(ConfigError, match=r"no column is called 'speker' \(did you mean speaker\?\)"):
        store.where("speker == 'a'")
    assert len(store.where("speaker == 'nobody'")) == 0 and store.where("speaker == 'nobody'").neighbours(draw(4)) == []


@pytest.mark.parametrize("block", [2, 2**16])
def test_parquet_holds_columns_and_vectors(tmp_path, monkeypatch, block):
    for module in (shards, store_module):
        monkeypatch.setattr(module, "BLOCK", block)
    frames = draw(6, 2, 3, 4)
    store = write_store(tmp_path / "store", frames, layers=[0, 7], columns=COLUMNS)
    path = store.to_parquet(tmp_path / "out.parquet", layer=0)
    table = parquet.read_table(path)
    assert table.num_rows == 6 and table.column_names[:4] == ["id", "file", "start", "end"]
    assert table.column("file")[1].as_py() == "/somewhere/1.wav" and table.column("end")[1].as_py() == pytest.approx(1.12)
    assert np.allclose(table.column("vector").to_pylist(), frames.mean(2)[:, 0], atol=1e-6)
    assert str(table.schema.field("vector").type) == "fixed_size_list<element: float>[4]"
    assert np.allclose(store.to_numpy(), frames.mean(2)[:, 1], atol=1e-6) and store.to_numpy().dtype == np.float32
    assert store.to_pandas(0).loc[2, "vector"] == pytest.approx(frames.mean(2)[2, 0], abs=1e-6)
    assert parquet.read_table(store.where("start < 0").to_parquet(tmp_path / "none.parquet")).num_rows == 0


def test_a_dataset_of_hugging_face_needs_its_library(tmp_path, monkeypatch):
    store = write_store(tmp_path, draw(2, 1, 3, 4))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*datasets"):
        store.to_huggingface()
    module = types.ModuleType("datasets")
    module.Dataset = lambda table: table
    monkeypatch.setitem(sys.modules, "datasets", module)
    assert store.to_huggingface().column_names == ["id", "file", "start", "end", "vector"]


def test_values_of_several_kinds_in_one_column_become_text(tmp_path):
    mixed = [{"x": 1}, {"x": None}, {"x": 2.5}, {}, {"x": "a"}, {"x": 2**70}]  # two shards
    store = write_store(tmp_path, draw(6, 1, 2, 4), columns=mixed)
    assert store.table().column("x").to_pylist() == ["1.0", None, "2.5", None, "a", str(2**70)]


def test_ends_of_old_stores_come_from_their_frames(tmp_path):
    store = write_store(tmp_path, draw(2, 1, 25, 4))
    for index in tmp_path.glob("index-*.parquet"):
        parquet.write_table(parquet.read_table(index).drop_columns(["seconds"]), index)
    assert store.table().column("end").to_pylist() == pytest.approx([0.12, 1.12])
    assert EmbeddingStore.open(tmp_path).table().column("end").to_pylist() == pytest.approx([0.5, 1.5])


ROWS = [{"key": f"i{number}", "age": 20 + number} for number in range(6)]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "arrow", "pandas"])
def test_any_table_is_joined(tmp_path, kind):
    store = write_store(tmp_path / "store", draw(6, 1, 2, 4), columns=COLUMNS)
    path = tmp_path / f"table.{kind}"
    table = pyarrow.Table.from_pylist(ROWS[::-1])
    if kind == "csv":
        path.write_text("key;age\n" + "".join(f"{row['key']};{row['age']}\n" for row in ROWS))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif kind == "parquet":
        parquet.write_table(table, path)
    joined = store.join({"arrow": table, "pandas": pandas.DataFrame(ROWS)}.get(kind, path), on=("id", "key"))
    assert joined.where("age >= 24 and speaker == 'a'").ids == ["i4"] and store.columns == list(COLUMNS[0])
    assert joined.join(pyarrow.table({"id": store.ids, "age": [1] * 6})).where("age == 1").ids == store.ids  # replaced


def test_files_are_joined_by_their_place(tmp_path, monkeypatch):
    (tmp_path / "data" / "wav").mkdir(parents=True)
    (tmp_path / "data" / "wav" / "a.wav").touch()
    with StoreWriter(tmp_path / "store", write_store(tmp_path / "x", draw(1, 1, 2, 4)).description) as writer:
        writer.add("clips/a", draw(1, 2, 4), origin=Origin(str(tmp_path / "data" / "wav" / "a.wav")))
    store = EmbeddingStore.open(tmp_path / "store")
    (tmp_path / "data" / "t.csv").write_text("path,label\nwav/a.wav,yes\n")
    monkeypatch.chdir(tmp_path)
    assert store.join("data/t.csv", on="file").table().column("label").to_pylist() == ["yes"]


def test_joins_that_would_lose_or_invent_something_are_refused(tmp_path):
    store = write_store(tmp_path / "store", draw(3, 1, 2, 4), columns=[{"number": "7"}, {"number": "8"}, {"number": None}])
    with pytest.raises(DataError, match=r"no row for 2 of 3 items, such as 'i1' \(the table has ids such as 'i0'\)"):
        store.join(pyarrow.table({"id": ["i0"], "x": [1]}))
    assert store.join(pyarrow.table({"id": ["i0"], "x": [1]}), partial=True).table().column("x").to_pylist() == [1, None, None]
    assert store.join(pyarrow.table({"number": [7, 8.0], "x": ["a", "b"]}), on="number", partial=True).where("x != null").ids == [
        "i0",
        "i1",
    ]
    with pytest.raises(DataError, match=r"two rows for id 'i0' that differ \(rows 1 and 2\)"):
        store.join(pyarrow.table({"id": ["i0", "i0"], "x": [1, 2]}))
    with pytest.raises(DataError, match=r"no column 'ids' \(did you mean id\?\)"):
        store.join(pyarrow.table({"id": ["i0"]}), on=("id", "ids"))
    with pytest.raises(ConfigError, match=r"the store has no column 'nmber' \(did you mean number\?\)"):
        store.join(pyarrow.table({"id": ["i0"]}), on=("nmber", "id"))
    with pytest.raises(DataError, match="does not exist"):
        store.join(tmp_path / "nowhere.csv")


def test_an_index_without_ids_is_named(tmp_path):
    write_store(tmp_path, draw(2, 1, 2, 4))
    path = tmp_path / "index-000000.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.set_column(0, "id", pyarrow.array(["i0", None])), path)
    with pytest.raises(StoreError, match=r"index-000000.*a row has no id"):
        EmbeddingStore.open(tmp_path)
