"""What each side of a corpus of one's own holds, said before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from rich.table import Table

from audiossl.console import print_table
from audiossl.pipelines.own.column_labels import cells_of, column_labels
from audiossl.pipelines.own.tasks import OwnTask
from audiossl.pipelines.sides import SplitConfig, divide
from audiossl.seeds import derive_generator
from audiossl.signals.audio import probe
from audiossl.signals.corpora.item_fields import item_fields
from audiossl.signals.corpora.manifest import CorpusItem
from audiossl.signals.corpora.recordings import Recording, Recordings
from audiossl.signals.decoder import AudioError

MOST_PROBED = 2000  # headers that are looked at; the lengths of all others are taken as their mean


@dataclass
class Side:
    """What a side holds.

    Attributes:
        recordings, groups: how many.
        seconds: of sound.
        classes: by task, how many different labels.
    """

    recordings: int = 0
    groups: int = 0
    seconds: float = 0.0
    classes: dict[str, int] = field(default_factory=dict)


@dataclass
class Preview:
    """What was found of a corpus.

    Attributes:
        sides: by name.
        ids: of each side.
        seconds: by recording.
        unreadable: recordings whose headers could not be read.
    """

    sides: dict[str, Side]
    ids: dict[str, list[str]]
    seconds: dict[str, float]
    unreadable: list[str]

    def of_side(self, side: str) -> list[float]:
        """Seconds of each readable recording of a side."""
        return [self.seconds[id_] for id_ in self.ids[side] if self.seconds[id_] > 0]


def preview(gathered: Recordings, tasks: Sequence[OwnTask], split: SplitConfig, seed: int) -> Preview:
    """Draw the sides of recordings that are not checked yet: copies of one sound under several names are not known.

    Args:
        gathered: the recordings.
        tasks: whose classes are counted; those of files are not.
        split: how sides are drawn.
        seed: of the draw.

    Raises:
        DataError: if a side with a share would be empty.
    """
    recordings = list(gathered.by_id.values())
    seconds, unreadable = _lengths(recordings, seed)
    items = [_item(one, seconds[one.id], gathered.sample_rate) for one in recordings]
    drawn = divide(items, split, seed)
    by = "recording" if split.given is not None else split.by
    group_of = {item.id: str(getattr(item, by, None) or item.custom.get(by, item.id)) for item in items}
    cells = cells_of(recordings)
    labels = {task.name: column_labels(task, cells) for task in tasks if task.column}
    sides = {}
    for side, ids in drawn.items():
        classes = {name: len({of[id_] for id_ in ids if id_ in of}) for name, of in labels.items()}
        sides[side] = Side(len(ids), len({group_of[id_] for id_ in ids}), sum(seconds[id_] for id_ in ids), classes)
    return Preview(sides, drawn, seconds, unreadable)


def print_sides(sides: Mapping[str, Side], title: str) -> None:
    """Print a table of sides."""
    names = list(next(iter(sides.values())).classes)
    table = Table("side", "recordings", "groups", "length", *(f"classes of {name}" for name in names), title=title)
    for name, side in sides.items():
        counts = [str(side.classes[task]) for task in names]
        table.add_row(name, f"{side.recordings:,}", f"{side.groups:,}", in_time(side.seconds), *counts)
    print_table(table)


def in_time(seconds: float) -> str:
    """A time in words.

    >>> in_time(42.0), in_time(90.0), in_time(7200.0)
    ('42 s', '1.5 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def _item(one: Recording, seconds: float, sample_rate: int) -> CorpusItem:
    own = one.item
    said = item_fields(one.columns, one.id if own is None else own.recording)
    size = max(1, round(seconds * sample_rate))
    if own is None:
        return CorpusItem(one.id, one.path, 0.0, seconds, size, **said)
    return CorpusItem(one.id, own.path, own.start, own.duration, size, member=own.member, heard=own.heard, **said)


def _lengths(recordings: Sequence[Recording], seed: int) -> tuple[dict[str, float], list[str]]:
    """Seconds of each recording, and whose header could not be read."""
    found = {one.id: one.item.duration for one in recordings if one.item is not None}
    whole = [one for one in recordings if one.item is None]
    order = torch.randperm(len(whole), generator=derive_generator(seed, "headers")).tolist()
    unreadable: list[str] = []
    looked_at: list[float] = []
    for index in order[:MOST_PROBED]:
        try:
            found[whole[index].id] = probe(whole[index].path).duration
            looked_at.append(found[whole[index].id])
        except AudioError:
            unreadable.append(whole[index].id)
            found[whole[index].id] = 0.0
    mean = sum(looked_at) / len(looked_at) if looked_at else 0.0
    return {one.id: found.get(one.id, mean) for one in recordings}, unreadable
