"""Small stores for tests: an item for each row of vectors, with a column or two."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audiossl.embedding import EmbeddingStore, StoreDescription, StoreWriter
from audiossl.signals.corpora.origins import Origin
from audiossl.stamps import Stamp


def write_store(folder: Path, frames: np.ndarray, layers="last", shard_items=4, columns=(), digests=()) -> EmbeddingStore:
    """Write frames (N, L, T, D) as items i0, i1, ... of files 0.wav, 1.wav, ... that begin at 0 s, 1 s, ..."""
    description = StoreDescription("logmel", "d", layers, frames.shape[3], 50.0, 0.01, "float32")
    with StoreWriter(folder, description, shard_items=shard_items) as writer:
        for number, item in enumerate(frames):
            file = f"/somewhere/{number}.wav"
            origin = Origin(file, Stamp(1, 1, digests[number])) if digests else Origin(file)
            about = columns[number] if columns else {}
            writer.add(f"i{number}", item, float(number), origin=origin, seconds=0.12, columns=about)
    return EmbeddingStore.open(folder)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
