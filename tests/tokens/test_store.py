"""The token store: round trip, spans, and refusal of anything that is not whole."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
import time

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


def test_bad_codes_are_refused_and_leave_the_old_store(folder, cuts):
    for codes, message in (
        (torch.full((2, 3), -100), "without padding"),
        (torch.full((2, 3), 256), "outside"),
        (torch.zeros(2, 4, dtype=torch.uint8), "codes per frame"),
    ):
        with pytest.raises(DataError, match=message), TokenWriter(folder, **ABOUT) as writer:
            writer.add("a", codes)
    with pytest.raises(DataError, match="twice"), TokenWriter(folder, **ABOUT) as writer:
        writer.add("a", cuts["cut-0"])
        writer.add("a", cuts["cut-0"])
    assert TokenStore.open(folder).cut_ids() == list(cuts)


def test_a_killed_writer_leaves_no_store(tmp_path):
    script = f"""
        import os, torch
        from audiossl.tokens.store import TokenWriter
        with TokenWriter({str(tmp_path / "t")!r}, **{ABOUT!r}) as writer:
            writer.add("a", torch.zeros(5, 3, dtype=torch.uint8))
            os._exit(9)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False).returncode == 9
    with pytest.raises(StoreError, match="missing"):
        TokenStore.open(tmp_path / "t")


@pytest.mark.parametrize("name", ["store.json", "index.parquet", "tokens-00000.npy"])
@pytest.mark.parametrize("damage", ["missing", "cut short", "garbage"])
def test_damage_is_found_on_opening(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-8] if damage == "cut short" else b"x" * len(content))
    with pytest.raises(StoreError):
        TokenStore.open(folder)


def test_an_index_of_another_store_is_found(folder, tmp_path):
    with TokenWriter(tmp_path / "other", **ABOUT) as writer:
        for name in "abcd":
            writer.add(name, torch.zeros(900, 3, dtype=torch.uint8))
    (tmp_path / "other" / "index.parquet").replace(folder / "index.parquet")
    with pytest.raises(StoreError, match="beyond"):
        TokenStore.open(folder)


def test_a_later_format_is_refused(folder):
    about = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps({**about, "format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        TokenStore.open(folder)


def test_an_unknown_cut_is_named(folder):
    with pytest.raises(StoreError, match="cut-9"):
        TokenStore.open(folder)["cut-9"]


def test_workers_map_the_files_themselves(folder, cuts):
    store = pickle.loads(pickle.dumps(TokenStore.open(folder)))
    assert torch.equal(store["cut-2"], cuts["cut-2"])
    assert len(pickle.dumps(store)) < 1000


def test_many_cuts_open_quickly(tmp_path):
    codes = torch.zeros(2, 3, dtype=torch.uint8)
    with TokenWriter(tmp_path / "t", **ABOUT) as writer:
        for i in range(20_000):
            writer.add(f"recording-{i}", codes)
    before = time.process_time()
    store = TokenStore.open(tmp_path / "t")
    assert time.process_time() - before < 1
    assert len(store) == 20_000 and store["recording-19999"].shape == (2, 3)
