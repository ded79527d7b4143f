"""Items of a store that have the same vector though they are of different files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from audiossl.embedding.index import StoreIndex

TOLERANCE = 1e-5  # of a vector's size; batches of other lengths change its last bits
MANY = 0.01  # share of items from which on duplicates are a warning: a corpus has some copies, a wrong rate makes very many
LOOKED_AT = 8  # vectors that follow one in the order of their projections
Blocks = Iterable[tuple[np.ndarray, Float32[np.ndarray, "N L D"]]]


@dataclass(frozen=True)
class Duplicates:
    """Groups of items with the same vector.

    Attributes:
        groups: ids, largest group first.
        num_items: items of the store.
        num_copies: items of groups whose files are known to be the same, byte for byte, and the same part of them.
    """

    groups: list[list[str]]
    num_items: int
    num_copies: int = 0

    @property
    def num_repeated(self) -> int:
        """Items beyond the first of each group."""
        return sum(len(group) - 1 for group in self.groups)

    @property
    def share(self) -> float:
        """Items beyond the first of each group, as a share of all."""
        return self.num_repeated / self.num_items if self.num_items else 0.0

    @property
    def warning(self) -> str:
        """What to look at, where more than 1 % of the items repeat a vector; else ""."""
        if self.share <= MANY:
            return ""
        copies = f", {self.num_copies:,} of them a copy of its file" if self.num_copies else ""
        named = ", ".join(self.groups[0][:3]) + (", ..." if len(self.groups[0]) > 3 else "")
        return (
            f"{self.num_repeated:,} of {self.num_items:,} items have the vector of an earlier one{copies}, such as {named}: "
            "silence, copies, or recordings whose sample rate is not what their header says"
        )

    def __str__(self) -> str:
        return self.warning or f"{self.num_repeated:,} of {self.num_items:,} items have the vector of an earlier one"


def find_duplicates(blocks: Blocks, lookup: Callable[[int], Float32[np.ndarray, "L D"]], index: StoreIndex) -> Duplicates:
    """Group the items whose vectors of all layers agree.

    Vectors are ordered by their projection on a random direction, and compared with those that follow: equal ones lie together
    there, and no more than a block of vectors is in memory.

    Args:
        blocks: rows of the index, each with its vectors.
        lookup: gives the vectors of one row.
        index: of the store.
    """
    draws, direction = np.random.default_rng(0), None
    projection, size = np.zeros(len(index.ids)), np.zeros(len(index.ids))
    for rows, vectors in blocks:
        flat = vectors.reshape(len(vectors), -1)
        if direction is None:
            direction = draws.standard_normal(flat.shape[1]).astype(np.float32) / np.sqrt(flat.shape[1])
        projection[rows], size[rows] = flat @ direction, np.linalg.norm(flat, axis=1)
    order = np.argsort(projection, kind="stable")
    found = _Groups(len(order))
    margin = TOLERANCE * np.maximum(size, np.finfo(np.float32).tiny)
    for step in range(1, min(LOOKED_AT, len(order))):
        first, second = order[:-step], order[step:]
        near = np.flatnonzero(projection[second] - projection[first] <= 4 * np.maximum(margin[first], margin[second]))
        for a, b in zip(first[near].tolist(), second[near].tolist(), strict=True):
            if found.root(a) != found.root(b) and np.abs(lookup(a) - lookup(b)).max() <= max(margin[a], margin[b]):
                found.join(a, b)
    return _named(found, index)


class _Groups:
    """Sets of rows that are joined one pair at a time; the earliest row stands for its set."""

    def __init__(self, num_rows: int) -> None:
        self._parent = list(range(num_rows))

    def root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = row = self._parent[self._parent[row]]
        return row

    def join(self, first: int, second: int) -> None:
        roots = sorted((self.root(first), self.root(second)))
        self._parent[roots[1]] = roots[0]

    def rows(self) -> list[list[int]]:
        sets: dict[int, list[int]] = {}
        for row in range(len(self._parent)):
            if (root := self.root(row)) != row:
                sets.setdefault(root, [root]).append(row)
        return sorted(sets.values(), key=lambda rows: (-len(rows), rows[0]))


def _named(found: _Groups, index: StoreIndex) -> Duplicates:
    groups = found.rows()
    chosen = sorted(row for rows in groups for row in rows)
    about = index.table.select(["size", "digest", "part"]).take(np.array(chosen, np.int64)).to_pylist()
    of_row = {row: (one["size"], one["digest"], one["part"]) for row, one in zip(chosen, about, strict=True)}
    copies = 0
    for rows in groups:
        known = [of_row[row] for row in rows if of_row[row][0] >= 0]
        copies += len(known) - len(set(known))
    return Duplicates([[index.ids[row] for row in rows] for rows in groups], len(index.ids), copies)
