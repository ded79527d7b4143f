"""Does a store hold what recordings are now? Their contents are compared, whatever size and time say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audiossl.signals.corpora.origins import Origin, compare
from audiossl.signals.corpora.recordings import Recording

MOST_LISTED = 20
CHANGED = "it is not what it was, or another part is meant: the same call without --verify makes it anew"
REPLACED = (
    "it holds something else, though its size and time are unchanged: touch it, and the same call without --verify makes it anew"
)
ELSEWHERE = "the store holds another file under this name"
GONE = "its file is gone"


@dataclass(frozen=True)
class StoreCheck:
    """Recordings next to what a store holds, by id.

    Attributes:
        current: ids of recordings that are what they were.
        faults: what is wrong with other ids, in words.
        num_unknown: recordings without a stamp, as older stores have them.
        num_new: recordings that are not in the store.
        num_others: items of the store with files that are there, but not among the recordings.
    """

    current: list[str]
    faults: dict[str, str]
    num_unknown: int
    num_new: int
    num_others: int

    @property
    def agrees(self) -> bool:
        """Whether the store holds what the recordings are."""
        return not self.faults

    def __str__(self) -> str:
        lines = []
        for fault in (CHANGED, REPLACED, ELSEWHERE, GONE):
            ids = [id_ for id_, said in self.faults.items() if said == fault]
            lines += [f"{id_}: {fault}" for id_ in ids[:MOST_LISTED]]
            lines += [f"... and {len(ids) - MOST_LISTED} more"] if len(ids) > MOST_LISTED else []
        said = list(self.faults.values())
        return "\n".join(
            [
                *lines,
                f"{len(self.current)} recordings as they were, {said.count(CHANGED) + said.count(REPLACED)} changed, "
                f"{said.count(GONE)} gone, {said.count(ELSEWHERE)} of another file, {self.num_unknown} without a stamp, "
                f"{self.num_new} not in the store; {self.num_others} of the store were not looked at",
            ]
        )


def check_store(recordings: Mapping[str, Recording], held: Mapping[str, Origin]) -> StoreCheck:
    """Compare recordings, by id, with what the items of a store were made of."""
    checked = compare(recordings.values(), held, verify=True)
    by_stamp = set(compare(recordings.values(), held).changed)  # what the same call without verify sees
    others = {id_: Path(origin.path) for id_, origin in held.items() if id_ not in recordings}
    # A part of a tar is no file; the tar is.
    gone = [id_ for id_, path in others.items() if path.name and not path.exists() and not path.parent.is_file()]
    faults = {id_: CHANGED if id_ in by_stamp else REPLACED for id_ in checked.changed}
    faults |= dict.fromkeys(checked.elsewhere, ELSEWHERE) | dict.fromkeys(gone, GONE)
    return StoreCheck(checked.current, faults, len(checked.unknown), len(checked.new), len(others) - len(gone))
