"""Training, validation and test items of a task, and what keeps them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from audiossl.errors import DataError

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass(frozen=True)
class Splits:
    """Ids of each split, sorted, and the group (speaker, prompt, subject) of each item.

    Attributes:
        ids: ids by split.
        groups: group by id.
        share_groups: allow a group in several splits, as where the task is to identify groups.

    Raises:
        DataError: if a split is missing or empty, an id or (unless allowed) a group is in two splits, or an id has no group.

    >>> ids = {"train": ["a"], "valid": ["b"], "test": ["c"]}
    >>> splits = Splits(ids, {"a": "anna", "b": "ben", "c": "cleo"})
    >>> splits.ids["test"]
    ['c']
    """

    ids: Mapping[Split, Sequence[str]]
    groups: Mapping[str, str]
    share_groups: bool = False

    def __post_init__(self) -> None:
        if set(self.ids) != set(SPLITS) or not all(self.ids.values()):
            counts = ", ".join(f"{name}: {len(ids)}" for name, ids in self.ids.items())
            raise DataError(f"expected items in train, valid and test, got {counts or 'no split'}")
        split_of: dict[tuple[str, str], Split] = {}
        for split in SPLITS:
            for item_id in self.ids[split]:
                if item_id not in self.groups:
                    raise DataError(f"expected a group (speaker, prompt, ...) for every item, '{item_id}' has none")
                self._place(split_of, "item", item_id, split)
                if not self.share_groups:
                    self._place(split_of, "group", self.groups[item_id], split)
        object.__setattr__(self, "ids", {split: sorted(set(self.ids[split])) for split in SPLITS})

    @staticmethod
    def _place(split_of: dict[tuple[str, str], Split], kind: str, name: str, split: Split) -> None:
        first = split_of.setdefault((kind, name), split)
        if first != split:
            raise DataError(f"expected each {kind} in one split only, '{name}' is in {first} and in {split}")

    def group_numbers(self, split: Split) -> dict[str, int]:
        """Number the groups of a split in the order of their names."""
        return {name: i for i, name in enumerate(sorted({self.groups[item_id] for item_id in self.ids[split]}))}
