"""The token store: round trip, spans, and refusal of anything that is not whole."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from audiossl.errors import DataError, StoreError
from audiossl.tokens import TokenStore, TokenWriter

ABOUT = {"quantiser_id": "0123abcd", "num_codebooks": 3, "codebook_size": 256, "frame_rate": 50.0, "teacher": "logmel: 80 bins"}


@pytest.fixture
def cuts() -> dict[str, torch.Tensor]:
    return {f"cut-{i}": torch.randint(256, (length, 3), dtype=torch.uint8) for i, length in enumerate((7, 0, 120, 1))}


@pytest.fixture
def folder(tmp_path, cuts):
    with TokenWriter(tmp_path / "tokens", **ABOUT) as writer:
        for cut_id, codes in cuts.items():
            writer.add(cut_id, codes)
    return tmp_path / "tokens"


def test_round_trip(folder, cuts):
    store = TokenStore.open(folder, "0123abcd")
    assert store.cut_ids() == list(cuts) and len(store) == 4 and "cut-2" in store and "cut-9" not in store
    for cut_id, codes in cuts.items():
        assert torch.equal(store[cut_id], codes) and store[cut_id].dtype == torch.uint8
        assert store.num_frames(cut_id) == len(codes)
    assert (store.frame_rate, store.num_codebooks, store.codebook_size, store.teacher) == (50.0, 3, 256, "logmel: 80 bins")
    assert np.load(folder / "tokens-00000.npy").shape == (128, 3)


def test_spans_in_seconds(folder, cuts):
    store, codes = TokenStore.open(folder), cuts["cut-2"]
    assert torch.equal(store.get("cut-2"), codes)
    assert torch.equal(store.get("cut-2", 0.5), codes[25:])
    assert torch.equal(store.get("cut-2", 0.5, 0.58), codes[25:54])  # 0.58 * 50 is 28.999... in floating point
    assert torch.equal(store.get("cut-2", 2.0, 9.0), codes[100:])
    assert store.get("cut-2", 2.4, 1.0).shape == (0, 3)
    for start, duration in ((-0.1, 1.0), (2.5, 0.1), (0.0, -1.0)):
        with pytest.raises(DataError, match="span"):
            store.get("cut-2", start, duration)


def test_a_read_does_not_touch_the_store(folder, cuts):
    store = TokenStore.open(folder)
    store["cut-0"].zero_()
    assert torch.equal(store["cut-0"], cuts["cut-0"])


def test_another_quantiser_is_refused_with_both_ids(folder):
    with pytest.raises(StoreError, match=r"0123abcd.*ffff0000"):
        TokenStore.open(folder, "ffff0000")


def test_wide_codes_take_two_bytes(tmp_path):
    codes = torch.tensor([[0, 300, 999]], dtype=torch.int64)
    with TokenWriter(tmp_path / "t", **{**ABOUT, "codebook_size": 1000}) as writer:
        writer.add("a", codes)
    stored = TokenStore.open(tmp_path / "t")["a"]
    assert stored.dtype == torch.uint16 and torch.equal(stored.long(), codes)


def test_an_empty_store_opens(tmp_path):
    with TokenWriter(tmp_path / "t", **ABOUT):
        pass
    assert len(TokenStore.open(tmp_path / "t")) == 0


@pytest.mark.parametrize("name", ["store.json", "index-00000.parquet", "tokens-00000.npy"])
@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_damage_is_found_on_opening(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "cut short":
        path.write_bytes(content[:-8])
    with pytest.raises(StoreError, match=name):
        TokenStore.open(folder)


@pytest.mark.parametrize("name", ["store.json", "index-00000.parquet"])
def test_garbage_is_found_on_opening(folder, name):
    (folder / name).write_bytes(b"x" * (folder / name).stat().st_size)
    with pytest.raises(StoreError, match=name):
        TokenStore.open(folder)


def test_a_changed_byte_of_an_index_is_found(folder):
    path = folder / "index-00000.parquet"
    content = path.read_bytes()
    place = content.index(b"cut-2") if b"cut-2" in content else 60  # within the first page, of cut ids
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(StoreError, match="index-00000"):
        TokenStore.open(folder)


def test_tokens_are_not_read_on_opening_and_garbage_is_found_on_reading(folder):
    path = folder / "tokens-00000.npy"
    path.write_bytes(b"x" * path.stat().st_size)
    store = TokenStore.open(folder)
    assert store.num_frames("cut-2") == 120
    with pytest.raises(StoreError, match="tokens-00000"):
        store["cut-2"]


def test_tokens_of_another_type_are_found(folder):
    path, about = folder / "tokens-00000.npy", json.loads((folder / "store.json").read_text())
    np.save(path, np.zeros((64, 3), "<u2"))  # as many bytes as 128 frames of uint8
    assert path.stat().st_size == about["shards"][0]["num_bytes"]
    with pytest.raises(StoreError, match=r"tokens-00000.*uint16"):
        TokenStore.open(folder)["cut-2"]


@pytest.mark.parametrize("name", "ab")
def test_an_index_of_another_store_is_found(folder, tmp_path, name):
    lengths = {"a": (900,) * 4, "b": (7, 0, 120)}[name]
    with TokenWriter(tmp_path / "other", **ABOUT) as writer:
        for number, length in enumerate(lengths):
            writer.add(f"other-{number}", torch.zeros(length, 3, dtype=torch.uint8))
    (tmp_path / "other" / "index-00000.parquet").replace(folder / "index-00000.parquet")
    with pytest.raises(StoreError, match=r"index-00000.*(beyond tokens-00000|holds 3 cuts)"):
        TokenStore.open(folder)


def test_a_cut_that_two_shards_index_is_found(folder, cuts):
    with TokenWriter(folder, **ABOUT, append=True) as writer:
        writer.add("cut-4", cuts["cut-2"])
    about = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps({**about, "shards": [*about["shards"], about["shards"][1]]}))
    with pytest.raises(StoreError, match="twice"):
        TokenStore.open(folder)


@pytest.mark.parametrize("number", [1, 99])
def test_other_formats_are_refused(folder, number):
    about = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps({**about, "format": number}))
    with pytest.raises(StoreError, match=f"format {number}.*tokenise again"):
        TokenStore.open(folder)


def test_a_shard_that_was_replaced_after_opening_is_not_read(folder, cuts):
    old = TokenStore.open(folder)
    with TokenWriter(folder, **ABOUT) as writer:
        for cut_id, codes in cuts.items():
            writer.add(cut_id, codes.flip(0))
    with pytest.raises(StoreError, match="open it again"):
        old["cut-2"]
    assert torch.equal(TokenStore.open(folder)["cut-2"], cuts["cut-2"].flip(0))


def test_few_shards_are_kept_open(tmp_path, monkeypatch):
    monkeypatch.setattr("audiossl.tokens.store.KEPT_OPEN", 2)
    with TokenWriter(tmp_path / "t", **ABOUT, shard_frames=1) as writer:
        for number in range(9):
            writer.add(f"cut-{number}", torch.full((2, 3), number, dtype=torch.uint8))
    store = TokenStore.open(tmp_path / "t")
    assert len(store.shards) == 9
    open_before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else None
    for number in [*range(9), *range(9)]:
        assert bool((store[f"cut-{number}"] == number).all())
    if open_before is not None:
        assert len(list(Path("/proc/self/fd").iterdir())) <= open_before + 2


def test_sizes_are_those_of_the_files(folder):
    store = TokenStore.open(folder)
    assert store.num_token_frames == 128
    assert store.num_bytes == sum((folder / name).stat().st_size for name in ("tokens-00000.npy", "index-00000.parquet"))


def test_spans_in_frames_end_with_the_cut(folder, cuts):
    store, codes = TokenStore.open(folder), cuts["cut-0"]
    for first, last in ((0, 3), (2, None), (5, 99), (7, 9), (50, 60), (4, 2)):
        assert torch.equal(store.frames("cut-0", first, last), codes[first:last])
    with pytest.raises(DataError, match="-1"):
        store.frames("cut-0", -1)


def test_an_unknown_cut_is_named(folder):
    with pytest.raises(StoreError, match="cut-9"):
        TokenStore.open(folder)["cut-9"]


def test_workers_map_the_files_themselves(folder, cuts):
    store = pickle.loads(pickle.dumps(TokenStore.open(folder)))
    assert torch.equal(store["cut-2"], cuts["cut-2"])
    assert len(pickle.dumps(store)) < 1000


@pytest.mark.slow
def test_many_cuts_open_quickly(tmp_path):
    codes = torch.zeros(2, 3, dtype=torch.uint8)
    with TokenWriter(tmp_path / "t", **ABOUT, shard_frames=20_000) as writer:
        for number in range(100_000):
            writer.add(f"recording-{number}", codes)
    seconds = []
    for _ in range(3):
        before = time.perf_counter()
        store = TokenStore.open(tmp_path / "t")
        seconds.append(time.perf_counter() - before)
    assert sorted(seconds)[1] < 1
    assert len(store) == 100_000 and len(store.shards) == 10 and store["recording-99999"].shape == (2, 3)
