"""Take recordings of all subjects in turn, so that the first few of a set, for a smoke run, are of several people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")


def in_turn(items: Iterable[T], subject: Callable[[T], Hashable]) -> list[T]:
    """Order `items` so that each subject's first comes before any subject's second, and so on; otherwise order is kept.

    >>> in_turn(["a1", "a2", "b1"], lambda item: item[0])
    ['a1', 'b1', 'a2']
    """
    by_round: dict[int, list[T]] = defaultdict(list)
    seen: dict[Hashable, int] = defaultdict(int)
    for item in items:
        key = subject(item)
        by_round[seen[key]].append(item)
        seen[key] += 1
    return [item for number in sorted(by_round) for item in by_round[number]]
