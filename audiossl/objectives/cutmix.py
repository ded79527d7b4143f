"""CutMix in time: a stretch of each window is that of another one (arXiv 1905.04899)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from audiossl.objectives.mixup import draw_beta
from audiossl.objectives.window_batch import WindowBatch


@dataclass(frozen=True)
class CutMix:
    """Which stretch of every window is whose.

    A stretch consists of whole frames and lies where all windows have a signal, so that lengths stay as they are.

    Attributes:
        order: number of the window that a stretch is of.
        start: first frame of the stretch.
        count: frames of it, of as many in all windows.
        hop: samples of a frame.
        share: part of a window that is another's.

    >>> mixture = CutMix(torch.tensor([1, 0]), torch.tensor([0, 2]), 1, hop=2, share=0.25)
    >>> mixture.of_signal(WindowBatch.of(torch.tensor([[[1.0] * 8], [[2.0] * 8]]))).signal[:, 0].int().tolist()
    [[2, 2, 1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 1, 1, 2, 2]]
    >>> mixture.of_frames(torch.tensor([[[1.0]] * 4, [[2.0]] * 4]))[..., 0].int().tolist()
    [[2, 1, 1, 1], [2, 2, 1, 2]]
    """

    order: Int[Tensor, "B"]
    start: Int[Tensor, "B"]
    count: int
    hop: int
    share: float

    @classmethod
    def draw(cls, windows: WindowBatch, hop: int, beta: float, generator: torch.Generator) -> CutMix:
        """Draw stretches of one length, as 1 - Beta(beta, beta) of a window, at a place of its own in each.

        Nothing is mixed where the shortest window has a single frame, such as a vector, or where `beta` is 0.
        """
        total, device = int(windows.lengths.min()) // hop, windows.signal.device
        order = torch.randperm(len(windows.ids), generator=generator)
        count = round((1 - draw_beta(beta, generator)) * total) if beta and total > 1 else 0
        start = torch.randint(total - count + 1, (len(order),), generator=generator)
        return cls(order.to(device), start.to(device), count, hop, count / total if total else 0.0)

    def of_signal(self, windows: WindowBatch) -> WindowBatch:
        """The windows with their stretches."""
        inside = self._inside(windows.signal.shape[2], self.hop)[:, None]
        return replace(windows, signal=torch.where(inside, windows.signal[self.order], windows.signal))

    def of_frames(self, values: Float[Tensor, "B T K"]) -> Float[Tensor, "B T K"]:
        """Values of frames, those of the stretches from the other window."""
        return torch.where(self._inside(values.shape[1], 1)[..., None], values[self.order], values)

    def _inside(self, size: int, step: int) -> Bool[Tensor, "B {size}"]:
        places = torch.arange(size, device=self.start.device)
        first = self.start[:, None] * step
        return (places >= first) & (places < first + self.count * step)
