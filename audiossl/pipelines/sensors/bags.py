"""Bags of windows: whom or what a window and its partner are both of (arXiv 2101.05224, section 3.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from audiossl.signals.sensors.windows import WindowSet

Bag = Literal["subject", "recording", "window"]


class Bags:
    """The bags of windows that are trained on, and a partner for each window.

    Args:
        windows: windows of recordings.
        rows: numbers of those that are trained on; no other is a partner.
        kind: `subject`, whose members are recordings; `recording`, whose members are windows; `window`, a bag of its own each.

    Attributes:
        names: bag of each window, by its number.
    """

    def __init__(self, windows: WindowSet, rows: Sequence[int], kind: Bag) -> None:
        of_recording = dict(zip(sorted(rows), windows.recording[sorted(rows)].tolist(), strict=True))
        names = {
            "subject": windows.subjects,
            "recording": [id_.rpartition("@")[0] for id_ in windows.ids],
            "window": windows.ids,
        }[kind]
        self.names = {row: names[row] for row in of_recording}
        members: dict[str, list[int]] = defaultdict(list)
        for row, name in self.names.items():
            members[name].append(row)
        self._kind, self._recording = kind, of_recording
        self._members = {name: torch.tensor(found) for name, found in members.items()}
        self._recordings = {
            name: torch.tensor([of_recording[row] for row in found.tolist()]) for name, found in self._members.items()
        }

    @property
    def share_alone(self) -> float:
        """Share of the windows that are their own partners."""
        if self._kind == "subject":
            lonely = [name for name, recordings in self._recordings.items() if len(recordings.unique()) == 1]
        else:
            lonely = [name for name, members in self._members.items() if len(members) == 1]
        return sum(len(self._members[name]) for name in lonely) / len(self.names)

    def partner_of(self, row: int, generator: torch.Generator) -> Int[Tensor, ""]:
        """Draw a window of another member of the bag, or give the window itself where its member is the only one."""
        name = self.names[row]
        members = self._members[name]
        of_other = self._recordings[name] != self._recording[row] if self._kind == "subject" else members != row
        others = members[of_other]
        return others[int(torch.randint(len(others), (), generator=generator))] if len(others) else torch.tensor(row)
