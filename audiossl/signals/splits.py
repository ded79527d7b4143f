"""Split a corpus so that no speaker, prompt or recording is on two sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from audiossl.errors import ConfigError, DataError
from audiossl.seeds import derive_seed


@runtime_checkable
class Grouped(Protocol):
    """What can be split: an `Item`, a `CorpusItem`, or anything else with these."""

    @property
    def id(self) -> str: ...

    @property
    def path(self) -> Path: ...

    @property
    def custom(self) -> Mapping[str, str | int | float]: ...


def split_by(items: Iterable[Grouped], key: str, fractions: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Assign whole groups of items to named sides, and return the ids of each side in the order of the items.

    The side of a group is a hash of (seed, group): it depends on no other item, so that a corpus may grow without
    items changing sides. For the same reason the fractions are those of groups, and met only on average.

    Args:
        items: what to split.
        key: what makes a group: an attribute ("speaker", "language", "recording", ...) or a custom field ("prompt").
        fractions: expected share of the groups on each side; they sum to 1.
        seed: another seed is another split.

    Raises:
        ConfigError: if the fractions are not shares of a whole.
        DataError: if an item lacks the key, an id comes twice, or a side with a share gets no group.
    """
    if not fractions or min(fractions.values()) < 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ConfigError(f"the fractions of a split are >= 0 and sum to 1, not {fractions}.")
    sides: dict[str, list[str]] = {side: [] for side in fractions}
    groups: dict[str, set[str]] = defaultdict(set)
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise DataError(f"the id '{item.id}' comes twice, and could be on two sides of the split. Make ids unique.")
        seen.add(item.id)
        group = _group(item, key)
        side = _side(group, fractions, seed)
        sides[side].append(item.id)
        groups[side].add(group)
    for side, fraction in fractions.items():
        if fraction > 0 and not sides[side]:
            count = sum(map(len, groups.values()))
            raise DataError(f"side '{side}' ({fraction:g}) of the split by {key} got none of {count} groups. Take another seed.")
    return sides


def _group(item: Grouped, key: str) -> str:
    value = getattr(item, key, None)
    if value is None:
        value = item.custom.get(key)
    if value is None and key == "recording":  # an item that is not in a corpus yet is one recording
        value = item.path
    if value is None:
        raise DataError(f"item '{item.id}' has no '{key}', by which the corpus is to be split.")
    return str(value)


def _side(group: str, fractions: dict[str, float], seed: int) -> str:
    point = derive_seed(seed, "split", group) / 2**63  # uniform in [0, 1)
    for side, fraction in fractions.items():
        point -= fraction
        if point < 0:
            return side
    return max(fractions, key=lambda side: fractions[side])  # rounding left a crumb
