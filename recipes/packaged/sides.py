"""On which side an item is: "train" and "valid" are for pre-training, "probe" is what it never hears."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from audiossl.signals.corpora.corpus import Item

Side = Literal["train", "valid", "probe"]
MIN_TRAINING_SECONDS = 0.2  # a shorter recording is a frame or two of a student at 25 Hz
VALID_EVERY = 25  # one group of so many validates the pre-training


def valid_groups(groups: Iterable[str]) -> set[str]:
    """Choose the groups of a source that validate: every 25th in the order of names, at least one of two or more."""
    ordered = sorted(set(groups))
    if len(ordered) < 2:
        return set()
    return set(ordered[VALID_EVERY // 2 :: VALID_EVERY] or [ordered[len(ordered) // 2]])


def thin(items: list[Item], limit: int | None) -> list[Item]:
    """Keep about `limit` items of a source, evenly spread, for a smoke run; no side and no part of a probe goes empty."""
    if limit is None:
        return items
    strata: dict[tuple[object, object], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        strata[item.custom["side"], item.custom.get("part")].append(place)
    kept: set[int] = set()
    for (side, part), places in strata.items():
        count = min(
            len(places),
            limit if (side, part) in (("train", None), ("train", "train"), ("probe", "train")) else max(2, limit // 4),
        )
        kept |= {places[i * len(places) // count] for i in range(count)}
    return [items[place] for place in sorted(kept)]
