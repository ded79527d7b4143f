"""The arrays of an embedding store: which shard holds what, and pooled vectors of any items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float32

from audiossl.embedding.description import StoreDescription, shard_path
from audiossl.embedding.index import StoreIndex
from audiossl.errors import StoreError
from audiossl.files import map_array

BLOCK = 2**16  # vectors that are in memory at once


class Shards:
    """Memory-mapped arrays of the items of an index, opened when they are first read.

    Args:
        description: description of the store.
        index: items, which may be some of the store's.
    """

    def __init__(self, description: StoreDescription, index: StoreIndex) -> None:
        self.description, self.index = description, index
        self._arrays: dict[tuple[int, str, int], np.ndarray] = {}

    def blocks(self) -> Iterator[np.ndarray]:
        """Places of all items, in blocks whose vectors fit into memory."""
        size = max(1, BLOCK // self.description.num_layers)
        for first in range(0, len(self.index.ids), size):
            yield np.arange(first, min(first + size, len(self.index.ids)))

    def by_shard(self, rows: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
        """Places in `rows` of the items that lie in one shard of one folder."""
        folders, shards = self.index.numbers("folder")[rows], self.index.numbers("shard")[rows]
        order = np.lexsort((shards, folders))  # stable
        changes = np.flatnonzero(np.diff(folders[order]) | np.diff(shards[order])) + 1
        for places in np.split(order, changes) if len(order) else ():
            yield int(folders[places[0]]), int(shards[places[0]]), places

    def gather(self, rows: np.ndarray) -> Float32[np.ndarray, "N L D"]:
        """Pooled vectors of items."""
        found = np.zeros((len(rows), self.description.num_layers, self.description.dim), np.float32)
        inside = self.index.numbers("row")[rows]
        for folder, shard, places in self.by_shard(rows):
            stored = self.array(folder, shard, "pooled")
            if inside[places].max() >= len(stored):
                raise StoreError(f"shard {shard} in {self.index.folders[folder]} lacks vectors: embed into a new folder")
            found[places] = stored[inside[places]]
        return found

    def array(self, folder: int, shard: int, kind: Literal["frames", "pooled"]) -> np.ndarray:
        """Array of a shard, memory-mapped."""
        key = (folder, kind, shard)
        if key not in self._arrays:
            path = shard_path(self.index.folders[folder], kind, shard)
            try:
                found = map_array(path)
                expected = self.description.num_layers, self.description.dim
                sizes = found.shape[::2] if kind == "frames" else found.shape[1:]  # (L, T, D), and (N, L, D) of pooled vectors
                if found.ndim != 3 or found.dtype.kind != "f" or sizes != expected:
                    raise ValueError(f"it holds {found.dtype} of shape {found.shape}")
                self._arrays[key] = found
            except ValueError as error:
                raise StoreError(f"expected a shard at {path}, could not read it ({error}): embed into a new folder") from error
        return self._arrays[key]
