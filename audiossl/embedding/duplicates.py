"""Items of a store that have the same vector though they are of different files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from audiossl.embedding.index import StoreIndex
from audiossl.embedding.vector_search import unit

TOLERANCE = 1e-5  # of a vector's size; batches of other lengths change its last bits
MANY = 0.01  # share of items from which on duplicates are a warning: a corpus has some copies, a wrong rate makes very many
PROJECTIONS, CELL, SHIFTS = 8, 4 * TOLERANCE, (0.0, 1 / 3, 2 / 3)
COMPARED = 2048  # vectors at once
Blocks = Iterable[tuple[np.ndarray, Float32[np.ndarray, "N L D"]]]
Lookup = Callable[[np.ndarray], Float32[np.ndarray, "N L D"]]


@dataclass(frozen=True)
class Duplicates:
    """Groups of items with the same vector.

    Attributes:
        groups: ids, largest group first.
        num_items: items of the store.
        num_copies: items of groups that are known to be the same part of the same file, byte for byte.

    >>> Duplicates([["a", "b"]], num_items=2).groups
    [['a', 'b']]
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


def find_duplicates(blocks: Blocks, lookup: Lookup, index: StoreIndex) -> Duplicates:
    """Group the items whose vectors of all layers agree.

    Each vector gets a cell of a fine grid over a few random projections of its direction; those that share a cell are compared.
    Equal ones that lie on two sides of a wall share one of a grid that is shifted. No more than a block is in memory.

    Args:
        blocks: rows of the index, each with its vectors.
        lookup: function that gives the vectors at some rows.
        index: index of the store.
    """
    num_items = len(index.ids)
    draws, directions = np.random.default_rng(0), None
    cells = np.zeros((len(SHIFTS), num_items), np.uint64)
    odd = draws.integers(0, 2**63, PROJECTIONS, np.uint64) * np.uint64(2) + np.uint64(1)
    for rows, vectors in blocks:
        flat = unit(vectors.reshape(len(vectors), -1))
        if directions is None:
            directions = draws.standard_normal((flat.shape[1], PROJECTIONS)).astype(np.float32)
        places = (flat @ directions).astype(np.float64) / CELL
        for grid, shift in enumerate(SHIFTS):
            cells[grid, rows] = (np.floor(places + shift).astype(np.int64).view(np.uint64) * odd).sum(1, dtype=np.uint64)
    found = _Groups(num_items)
    for grid in cells:
        order = np.argsort(grid, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(grid[order])) + 1):
            if len(rows) > 1 and len({found.root(row) for row in rows.tolist()}) > 1:
                _join_equal(rows, lookup, found)
    return _named(found, index)


def _join_equal(rows: np.ndarray, lookup: Lookup, found: _Groups) -> None:
    """Join those of some rows whose vectors agree."""
    while len(rows) > 1:
        first = lookup(rows[:1])[0].astype(np.float64)
        margin = TOLERANCE * max(float(np.linalg.norm(first)), float(np.finfo(np.float32).tiny))
        others = []
        for start in range(1, len(rows), COMPARED):
            some = rows[start : start + COMPARED]
            is_equal = np.abs(lookup(some) - first).max((1, 2)) <= margin
            for row in some[is_equal].tolist():
                found.join(int(rows[0]), row)
            others.append(some[~is_equal])
        rows = np.concatenate(others)


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
