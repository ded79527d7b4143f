"""A batch of labelled and unlabelled windows, each in a weak and several strong views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from audiossl.objectives.window_batch import WindowBatch


@dataclass
class Views:
    """Views of the same B windows.

    Attributes:
        weak: view that pseudo-labels are made of.
        strong: views that are to be predicted alike.
        moves: frames by which each strong view is turned round in time compared with the weak one; targets are turned alike.
        crops: two crops of every window, the second of which begins `shift` frames later; None where there are none.
        shift: frames of the first crop before the second begins.

    >>> window = WindowBatch.of(torch.zeros(2, 3, 16))
    >>> Views(window, [window], [0]).weak.ids
    ['0', '1']
    """

    weak: WindowBatch
    strong: Sequence[WindowBatch]
    moves: Sequence[int]
    crops: tuple[WindowBatch, WindowBatch] | None = None
    shift: int = 0

    def to(self, device: torch.device) -> Views:
        """Move to a device."""
        crops = None if self.crops is None else (self.crops[0].to(device), self.crops[1].to(device))
        return Views(self.weak.to(device), [view.to(device) for view in self.strong], self.moves, crops, self.shift)


@dataclass
class SemiBatch:
    """Windows with labels and windows without.

    Where windows are classified as a whole T is 1, where their frames are, it is the number of frames.

    Attributes:
        labelled: B windows.
        y: their classes; -1 where a frame has none.
        unlabelled: U other windows, or the same.
        truth: classes of these, -1 where they are not known: for measures alone, no loss reads them.

    >>> window = WindowBatch.of(torch.zeros(2, 3, 100), rate=50)
    >>> views = Views(window, [window], [0])
    >>> SemiBatch(views, torch.tensor([[0], [1]]), views, torch.tensor([[-1], [1]])).seconds
    8.0
    """

    labelled: Views
    y: Int[Tensor, "B T"]
    unlabelled: Views
    truth: Int[Tensor, "U T"]

    @property
    def seconds(self) -> float:
        """Seconds of signal, of one view each."""
        return self.labelled.weak.seconds + self.unlabelled.weak.seconds

    def to(self, device: torch.device) -> SemiBatch:
        """Move to a device."""
        return SemiBatch(self.labelled.to(device), self.y.to(device), self.unlabelled.to(device), self.truth.to(device))
