"""The sides of a corpus, training, validation and test, which spear and finetune draw alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.splits import SPLITS, Split
from audiossl.files import read_json
from audiossl.signals.corpora.corpus import Corpus, CorpusItem
from audiossl.signals.corpora.splits import say_copies_across, split_by

SIDES = "splits.json"


@dataclass
class SplitConfig:
    """How items are divided: all items that share `by` stay on one side.

    Attributes:
        by: speaker, recording, or a custom field of the corpus such as prompt. The default keeps what is cut from one recording
            on one side; where items share speakers or texts, name that.
        given: custom field that names the side of each item, where the recipe decides: train, valid, and anything else for items
            that training never sees. The fractions are then not used.
        train, valid, test: fractions of the groups; training sees train only.
    """

    by: str = "recording"
    given: str | None = None
    train: float = 0.72
    valid: float = 0.08
    test: float = 0.2

    def __post_init__(self) -> None:
        shares = self.shares
        total = sum(shares.values())
        if self.given is None and (min(shares.values()) < 0 or not self.train or abs(total - 1) > 1e-6):
            rest = {side: share for side, share in shares.items() if side != "train" and share > 0}
            left = round(1 - sum(rest.values()), 6)
            helps = f"split.train={left:g}" if 0 < left < 1 else "split.train=0.72 split.valid=0.08 split.test=0.2"
            got = ", ".join(f"{side} {share:g}" for side, share in shares.items())
            raise ConfigError(
                f"split: expected shares of at least 0, with something for train, that sum to 1, got {got}. Try {helps}"
            )

    @property
    def shares(self) -> dict[str, float]:
        """The fraction of each side."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


def divide(items: Sequence[CorpusItem], split: SplitConfig, seed: int) -> dict[str, list[str]]:
    """Draw the sides of items by a hash of their groups, or take them from the field that `split.given` names.

    Every side with a share gets a group: the nearest one where the hash gave it none. A corpus that grows moves at most that one.

    Args:
        items: of the corpus.
        split: groups and fractions, or the field.
        seed: of the draw.

    Returns:
        Ids under `train`, `valid` and `test`, in the order of the items.

    Raises:
        DataError: if a side with a share would be empty, or an item has no such group.
    """
    if split.given is None:
        return split_by(items, split.by, split.shares, seed)
    said = {item.id: str(item.custom.get(split.given)) for item in items}
    sides = {side: [id_ for id_, named in said.items() if named == side] for side in ("train", "valid")}
    sides["test"] = [id_ for id_, named in said.items() if named not in sides]
    if empty := [side for side in ("train", "valid") if not sides[side]]:
        values = ", ".join(f"{side} ({count})" for side, count in sorted(Counter(said.values()).items())[:8])
        raise DataError(
            f"split.given={split.given}: no recording says {' or '.join(empty)} in that field; they say {values}. "
            "Correct the field, or draw the sides: split.given=null"
        )
    say_copies_across(items, sides, f"the recipe gives sides by split.given={split.given}")
    return sides


def given_by_parts(items: Sequence[CorpusItem], parts: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Take the sides from the custom field `part`: a side has the items of some parts; `valid` may be missing.

    Raises:
        DataError: if a side would be empty.
    """
    part = {item.id: field_of(item, "part") for item in items}
    sides = {side: [id_ for id_, named in part.items() if named in wanted] for side, wanted in parts.items()}
    if empty := [side for side, ids in sides.items() if not ids]:
        raise DataError(f"no item of the corpus belongs to {', '.join(empty)}; the parts of the recipe are {parts}.")
    say_copies_across(items, sides, f"the recipe gives sides by parts={parts}")
    return {"valid": [], **sides}


def open_split(corpus_stage: Path, *sides: Split) -> Corpus:
    """Open the items of some sides of the corpus that a stage wrote; of all where none is named."""
    ids = read_sides(corpus_stage)
    return Corpus.open(corpus_stage / "corpus").subset(id_ for side in sides or SPLITS for id_ in ids[side])


def read_sides(corpus_stage: Path) -> dict[Split, list[str]]:
    """Read the ids of each side of the corpus that a stage wrote."""
    return read_json(corpus_stage / SIDES)


def field_of(item: CorpusItem, name: str) -> str | None:
    """An attribute or custom field of an item, as text; None where it has none."""
    value = getattr(item, name, None)
    value = item.custom.get(name) if value is None else value
    return None if value is None else str(value)
