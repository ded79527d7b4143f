"""Stores and a tokeniser that commit ba6cba2 wrote, in `tests/stores_of_ba6cba2`, open and are gone on with.

They were made of three recordings in `/tmp/recordings/clips`, and of a broken file there, with the log-mel encoder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import soundfile
import torch
from pyarrow import parquet

import audiossl
from audiossl.embedding import EmbeddingStore, embed_paths
from audiossl.pipelines.tokenise.fitted_to import read_fitted, seen_among
from audiossl.pipelines.tokenise.folders import FITTED_FILES, encode_recordings, open_tokeniser
from audiossl.signals.corpora.recordings import gather
from audiossl.tokens.store import TokenStore

WRITTEN = "/tmp/recordings/clips"


def write_clip(path: Path, pitch: int) -> None:
    time = np.arange(8000) / 16000
    wave = 8000 * np.sin(2 * np.pi * pitch * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    soundfile.write(path, np.round(wave).astype(np.int16), 16000)


@pytest.fixture
def old(tmp_path) -> Path:
    """The stores, as if they had been written next to the recordings of this test."""
    shutil.copytree(Path(__file__).parent / "stores_of_ba6cba2", tmp_path / "old")
    (tmp_path / "clips").mkdir()
    for number in range(3):
        write_clip(tmp_path / "clips" / f"{number}.wav", 200 + 150 * number)
    (tmp_path / "clips" / "broken.wav").write_bytes(b"RIFF but nothing else")
    for index in (tmp_path / "old").rglob("index-*.parquet"):
        table = parquet.read_table(index)
        name = "path" if "path" in table.column_names else "source"
        paths = [path.replace(WRITTEN, str(tmp_path / "clips")) for path in table.column(name).to_pylist()]
        parquet.write_table(table.set_column(table.column_names.index(name), name, pyarrow.array(paths)), index)
    return tmp_path / "old"


def test_embeddings_open_and_are_gone_on_with(old, tmp_path):
    model = audiossl.load("logmel")
    store = EmbeddingStore.open(old / "frames")
    assert store.ids == ["clips/0.wav", "clips/1.wav"]
    for id_ in store:
        assert np.allclose(store[id_][0], model.embed(tmp_path / id_).frames.numpy(), atol=2e-2)
    summary = embed_paths(model, [tmp_path / "clips"], old / "frames", progress=False)
    assert (summary.num_written, summary.num_present, summary.num_rejected) == (1, 2, 1)
    assert embed_paths(model, [tmp_path / "clips"], old / "embeddings", "last", "mean", progress=False).num_present == 3
    pooled = EmbeddingStore.open(old / "embeddings").pooled()[:, 0]
    assert np.allclose(pooled[2], EmbeddingStore.open(old / "frames").pooled()[2, 0], atol=1e-3)
    # What was added has stamps, so that its replacement is seen; of the old ones that is not known.
    write_clip(tmp_path / "clips" / "2.wav", 300)
    write_clip(tmp_path / "clips" / "1.wav", 300)
    summary = embed_paths(model, [tmp_path / "clips"], old / "frames", progress=False)
    assert (summary.num_renewed, summary.num_present) == (1, 2)


def test_tokens_open_and_are_gone_on_with(old, tmp_path):
    _, quantiser, fitted_to = open_tokeniser(old / "tokeniser")
    before = TokenStore.open(old / "tokens", quantiser.id)
    codes = {id_: before[id_] for id_ in before.cut_ids()}
    assert sorted(codes) == sorted(fitted_to) == [f"clips/{number}.wav" for number in range(3)]
    write_clip(tmp_path / "clips" / "3.wav", 900)
    done = encode_recordings([tmp_path / "clips"], old / "tokeniser", old / "tokens")
    assert (done.num_written, done.num_present, len(done.rejected)) == (1, 3, 1)
    after = TokenStore.open(old / "tokens")
    assert all(torch.equal(after[id_], codes[id_]) for id_ in codes) and len(after) == 4
    again = encode_recordings([tmp_path / "clips" / "0.wav"], old / "tokeniser", tmp_path / "anew")
    assert again.num_written == 1 and torch.equal(TokenStore.open(tmp_path / "anew")["clips/0.wav"], codes["clips/0.wav"])


def test_the_tokeniser_knows_its_recordings_by_their_names(old, tmp_path):
    """It has ids alone: `clips/0.wav` is known in the folder around it, too."""
    _, _, ids = open_tokeniser(old / "tokeniser")
    rows = read_fitted(old / "tokeniser" / FITTED_FILES)
    (tmp_path / "other").mkdir()
    write_clip(tmp_path / "other" / "1.wav", 700)
    for path, count in ((tmp_path / "clips", 3), (tmp_path / "clips" / "1.wav", 1), (tmp_path, 3), (tmp_path / "other", 0)):
        assert len(seen_among(gather([path]).by_id.values(), ids, rows)) == count
