"""Exact search by cosine similarity, block by block, so that a store may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from audiossl.errors import ConfigError, DataError, import_extra

Vectors = tuple[Int64[np.ndarray, "N"], Float32[np.ndarray, "N D"]]  # rows of the index, and a vector for each


@dataclass(frozen=True)
class Scored:
    """Rows of an index with their similarity, and which of their frames has it (-1: none, since vectors were compared)."""

    rows: Int64[np.ndarray, "N"]
    similarity: Float32[np.ndarray, "N"]
    frames: Int64[np.ndarray, "N"]


def unit(vectors: Float32[np.ndarray, "*N D"]) -> Float32[np.ndarray, "*N D"]:
    """Bring vectors to length 1; one of zeros stays zeros, so that it is like nothing."""
    scale = np.abs(vectors).max(-1, keepdims=True, initial=0.0)
    scaled = vectors / np.where(scale > 0, scale, 1)  # squares of large numbers would not fit
    length = np.sqrt(np.square(scaled).sum(-1, keepdims=True))
    return scaled / np.where(length > 0, length, 1)


def checked_query(query: Float32[np.ndarray, "D"], dim: int) -> Float32[np.ndarray, "D"]:
    """A query of length 1.

    Raises:
        DataError: if it is not finite, or all zeros, or of another width than the store.
    """
    if query.shape != (dim,):
        raise DataError(f"expected a query of {dim} numbers, as the vectors of the store, got shape {query.shape}")
    if not np.isfinite(query).all():
        raise DataError("expected a query of finite numbers, got NaN or infinity")
    if not query.any():
        raise DataError("expected a query with a direction, got zeros alone")
    return unit(query)


def score_vectors(blocks: Iterable[Vectors], query: Float32[np.ndarray, "D"]) -> Iterator[Scored]:
    """Compare vectors with a query of length 1."""
    for rows, vectors in blocks:
        yield Scored(rows, unit(vectors) @ query, np.full(len(rows), -1))


def nearest(blocks: Iterable[Scored], k: int) -> Scored:
    """The k most similar, best first; of equal ones the earlier row.

    Raises:
        ConfigError: if k is below 1.
    """
    if k < 1:
        raise ConfigError(f"expected at least 1 neighbour, got k={k}")
    best = Scored(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64))
    for block in blocks:
        if len(best.rows) == k:  # what is no better than the worst so far need not be sorted
            block = _some(block, block.similarity >= best.similarity[-1])
        if len(block.rows) > k:
            block = _some(block, block.similarity >= -np.partition(-block.similarity, k - 1)[k - 1])
        together = Scored(
            np.concatenate([best.rows, block.rows]),
            np.concatenate([best.similarity, block.similarity]),
            np.concatenate([best.frames, block.frames]),
        )
        best = _some(together, np.lexsort((together.rows, -together.similarity))[:k])
    return best


def nearest_by_faiss(blocks: Iterable[Vectors], query: Float32[np.ndarray, "D"], k: int) -> Scored:
    """The same by a flat index of FAISS (extra `faiss`).

    Raises:
        MissingExtraError: if it is not installed.
        ConfigError: if k is below 1.
    """
    if k < 1:
        raise ConfigError(f"expected at least 1 neighbour, got k={k}")
    faiss = import_extra("faiss", "faiss")
    index, rows = faiss.IndexFlatIP(len(query)), [np.zeros(0, np.int64)]
    for some, vectors in blocks:
        rows.append(some)
        index.add(np.ascontiguousarray(unit(vectors)))
    similarity, places = index.search(query[None], min(k, max(1, index.ntotal)))
    found = places[0] >= 0
    return Scored(np.concatenate(rows)[places[0][found]], similarity[0][found], np.full(int(found.sum()), -1))


def _some(scored: Scored, chosen: np.ndarray) -> Scored:
    return Scored(scored.rows[chosen], scored.similarity[chosen], scored.frames[chosen])
