"""Split a corpus so that no speaker, prompt or recording is on two sides."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from audiossl.errors import ConfigError, DataError
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.same_sound import unite_same_sounds

_log = logging.getLogger(__name__)


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
    items changing sides. For the same reason the fractions are those of groups, and met only on average. A side with a share
    that no group fell on gets the nearest one; that group alone may move when the corpus grows.

    Groups that hold one sound (perturbed copies, links, copies that `build_corpus` found, overlapping parts of a file) are one;
    where that leaves a single group since everything is of one file, ids alone distinguish groups, and a warning is logged.

    Args:
        items: what to split.
        key: what makes a group: an attribute ("speaker", "language", "recording", ...) or a custom field ("prompt").
        fractions: expected share of the groups on each side; they sum to 1.
        seed: another seed is another split.

    Raises:
        ConfigError: if the fractions are not shares of a whole.
        DataError: if an item lacks the key, an id comes twice, or there are fewer groups than sides with a share.

    >>> from pathlib import Path
    >>> from audiossl.signals.corpora.manifest import Item
    >>> items = [Item(str(i), Path(f"{i}.wav"), speaker=f"s{i // 2}") for i in range(8)]
    >>> sides = split_by(items, "speaker", {"train": 0.5, "test": 0.5}, seed=0)
    >>> len(sides["train"]), len(sides["test"])
    (4, 4)
    """
    if not fractions or min(fractions.values()) < 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise ConfigError(f"the fractions of a split are >= 0 and sum to 1, not {fractions}.")
    items = list(items)
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise DataError(f"the id '{item.id}' comes twice, and could be on two sides of the split. Make ids unique.")
        seen.add(item.id)
    groups = united_groups(items, key)
    wanted = [side for side, fraction in fractions.items() if fraction > 0]
    if len(set(groups)) == 1 < len(wanted):
        by_ids = united_groups(items, key, by_files=False)
        if len(set(by_ids)) >= len(wanted):  # one file for everything distinguishes nothing
            _log.warning("all items are heard in one file, %s: the split by %s goes by ids alone", items[0].path, key)
            groups = by_ids
    side_of = _sides(set(groups), fractions, seed)
    if missing := [side for side in wanted if side not in side_of.values()]:
        raise DataError(_too_few(items, key, len(side_of), fractions, missing))
    sides: dict[str, list[str]] = {side: [] for side in fractions}
    for item, group in zip(items, groups, strict=True):
        sides[side_of[group]].append(item.id)
    return sides


def united_groups(items: Sequence[Grouped], key: str, by_files: bool = True) -> list[str]:
    """Name the group of each item, where groups that hold one sound have one name.

    Args:
        items: what to group.
        key: what makes a group.
        by_files: whether to look for one sound by the files that are read too, not by ids alone.

    Raises:
        DataError: if an item lacks the key.
    """
    groups = [_group(item, key) for item in items]
    united = unite_same_sounds(items, groups, by_recording=key == "recording", by_files=by_files)
    return [united.name(group) for group in groups]


def copies_across(items: Sequence[Grouped], sides: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Find sounds that are on two sides which somebody else has drawn.

    Args:
        items: items of the corpus.
        sides: ids of each side; items on none of them are not looked at.

    Returns:
        for each item of a sound that is on another side first: the id there and its own.
    """
    side_of = {id_: side for side, ids in sides.items() for id_ in ids}
    items = [item for item in items if item.id in side_of]
    first: dict[str, str] = {}
    pairs = [(first.setdefault(sound, item.id), item.id) for item, sound in zip(items, united_groups(items, "id"), strict=True)]
    return [(other, id_) for other, id_ in pairs if side_of[other] != side_of[id_]]


def say_copies_across(items: Sequence[Grouped], sides: Mapping[str, Sequence[str]], advice: str) -> None:
    """Say how many sounds are on two sides that were given, if any."""
    if found := copies_across(items, sides):
        from audiossl.console import console

        which = f"{found[0][0]} and {found[0][1]}"
        text = f"{len(found)} items hold a sound that is on another side too, such as {which}: {advice}"
        console.print(text, style="yellow", markup=False, soft_wrap=True)


def _sides(groups: Iterable[str], fractions: dict[str, float], seed: int) -> dict[str, str]:
    """The side of every group, by its hash; a side with a share that got none has the nearest group, while there are enough."""
    point = {group: derive_seed(seed, "split", group) / 2**63 for group in sorted(groups)}  # uniform in [0, 1)
    side_of = {group: _side(place, fractions) for group, place in point.items()}
    count = Counter(side_of.values())
    low = 0.0
    for side, fraction in fractions.items():
        high = low + fraction
        if fraction > 0 and not count[side]:
            spare = [group for group, held in side_of.items() if count[held] > 1]
            if spare:
                away = {group: max(low - point[group], point[group] - high) for group in spare}
                nearest = min(spare, key=away.__getitem__)
                count[side_of[nearest]] -= 1
                count[side] += 1
                side_of[nearest] = side
        low = high
    return side_of


def _too_few(items: Sequence[Grouped], key: str, count: int, fractions: dict[str, float], missing: list[str]) -> str:
    """What to say where there are fewer groups than sides, with settings that help if there are any."""
    wanted = [side for side, fraction in fractions.items() if fraction > 0]
    found = f"the split by {key} has {count} groups for the {len(wanted)} sides {', '.join(wanted)}, so that "
    found += f"{' and '.join(missing)} would be empty. "
    if key != "id" and (alone := len(set(united_groups(items, "id")))) >= len(wanted):
        return found + f"Set split.by=id, which has {alone} groups, or give more recordings."
    found += f"Give at least {len(wanted)} recordings that are not copies of each other"
    if count < 2:
        return found + "."
    left_out = wanted[count:]
    first = fractions[wanted[0]] + sum(fractions[side] for side in left_out)
    return found + f", or set split.{wanted[0]}={first:.4g} {' '.join(f'split.{side}=0.0' for side in left_out)}."


def _group(item: Grouped, key: str) -> str:
    value = getattr(item, key, None)
    if value is None:
        value = item.custom.get(key)
    if value is None and key == "recording":  # an item that is not in a corpus yet is one recording
        value = item.path
    if value is None:
        fields = f", or to another field of the items, such as {', '.join(sorted(item.custom))}" if item.custom else ""
        raise DataError(f"item '{item.id}' has no '{key}', by which the corpus is to be split. Set split.by=recording{fields}.")
    return str(value)


def _side(point: float, fractions: dict[str, float]) -> str:
    for side, fraction in fractions.items():
        point -= fraction
        if point < 0:
            return side
    return max(fractions, key=lambda side: fractions[side])  # rounding left a crumb
