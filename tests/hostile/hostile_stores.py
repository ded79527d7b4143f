"""Stores of tokens and embeddings, and results."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile_case import Bomb, case
from hostile_recordings import audio, embed, put, wav_header

from audiossl.cli import main
from audiossl.embedding.store import EmbeddingStore
from audiossl.errors import AudiosslError
from audiossl.tokens.store import TokenStore

# Stores


def good_tokens(folder: Path) -> Path:
    import torch

    from audiossl.tokens.store_writer import TokenWriter

    with TokenWriter(folder / "tokens", quantiser_id="q", num_codebooks=2, codebook_size=16, frame_rate=50.0) as writer:
        writer.add("a", torch.zeros(10, 2, dtype=torch.uint8))
    return folder / "tokens"


def read_tokens(folder: Path) -> None:
    store = TokenStore.open(folder / "tokens")
    for cut_id in store.cut_ids():
        store[cut_id]


def tokens_with(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = good_tokens(folder) / "store.json"
        about = json.loads(path.read_text())
        change(about)
        path.write_text(json.dumps(about))

    return make


case("stores", "token store that names a file outside", read_tokens)(
    tokens_with(put("shards", 0, "tokens", value="../../../../etc/passwd"))
)
case("stores", "token store with wrong types", read_tokens)(tokens_with(put("shards", value="x")))
case("stores", "token store with 2^60 frames", read_tokens)(tokens_with(put("shards", 0, "num_frames", value=2**60)))
case("stores", "token store with a dtype of objects", read_tokens)(tokens_with(put("dtype", value="O")))
case("stores", "token store with no codebooks", read_tokens)(tokens_with(put("num_codebooks", value=0)))


@case("stores", "token file that is a pickle", read_tokens)
def _(folder: Path) -> None:
    path = good_tokens(folder) / "tokens-00000.npy"
    size = path.stat().st_size
    with io.BytesIO() as file:
        np.lib.format.write_array(file, np.array([Bomb()], dtype=object), allow_pickle=True)
        path.write_bytes(file.getvalue().ljust(size, b"\0")[:size])


@case("stores", "token index that is noise", read_tokens)
def _(folder: Path) -> None:
    (good_tokens(folder) / "index-00000.parquet").write_bytes(b"PAR1" + np.random.default_rng(0).bytes(500) + b"PAR1")


def good_embeddings(folder: Path) -> Path:
    audio(wav_header(1, 16000, 20_000) + bytes(20_000))(folder)
    embed(folder)
    return folder / "store"


def read_embeddings(folder: Path) -> None:
    store = EmbeddingStore.open(folder / "store")
    for item_id in store:
        store[item_id]


@case("stores", "embedding store with wrong types", read_embeddings)
def _(folder: Path) -> None:
    path = good_embeddings(folder) / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dim": "x", "layers": {"a": 1}}))


@case("stores", "embedding file that is a pickle", read_embeddings)
def _(folder: Path) -> None:
    for path in good_embeddings(folder).glob("frames-*.npy"):
        np.save(path, np.array([Bomb()], dtype=object), allow_pickle=True)


@case("stores", "embedding index that is noise", read_embeddings)
def _(folder: Path) -> None:
    for path in good_embeddings(folder).glob("index-*.parquet"):
        path.write_bytes(b"PAR1" + np.random.default_rng(0).bytes(500) + b"PAR1")


# Results


def compare(folder: Path) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(["compare", str(folder / "results.json"), "--html", str(folder / "page.html")])
    if code == 2:
        raise AudiosslError(said.getvalue())
    assert code == 0 and "<script>alert" not in (folder / "page.html").read_text()


ROW = {"dataset": "d", "task": "t", "model": "m", "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}


def results(rows: object) -> Callable[[Path], int]:
    return lambda folder: (folder / "results.json").write_text(json.dumps(rows))


case("results", "a model named `<script>`", compare, "read")(results([ROW | {"model": "<script>alert(1)</script>"}]))
case("results", "values that are text", compare)(results([ROW | {"value": "high"}]))
case("results", "a dict in place of rows", compare)(results({"a": 1}))
case("results", "rows with unknown keys", compare, "read")(results([ROW | {"extra": 1}]))
