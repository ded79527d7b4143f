"""A batch of sensor windows and the key of its random draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from audiossl.objectives.crops import Crops
from audiossl.objectives.signal_batch import SignalBatch


@dataclass
class WindowBatch(SignalBatch):
    """Windows without labels.

    Attributes:
        signal: (B, C, L), finite, zero beyond each length.
        lengths: valid samples.
        ids: ids of the windows; augmentations are drawn from (seed, epoch, id).
        subjects: subject of each window.
        rate: Hz.
        epoch, seed: the rest of the key.
        partner, partner_lengths: for each window another one, perhaps itself: of its recording and near in time, or of its bag;
            None where there are none.
        bags: name of the bag that each window and its partner are of: a subject, a recording; None where there are none.
        crops: two crops of each window that overlap; None where there are none.
        matches: a crop of each window, and the stretch of another recording that is most like it; None where there are none.
        matched: whether such a stretch was found; else the crop is its own match.

    >>> WindowBatch(torch.zeros(1, 3, 100), torch.tensor([80]), ["walk-0"], ["anna"], rate=50.0).seconds
    1.6
    """

    signal: Float[Tensor, "B C L"]
    lengths: Int[Tensor, "B"]
    ids: Sequence[str]
    subjects: Sequence[str]
    rate: float
    epoch: int = 0
    seed: int = 0
    partner: Float[Tensor, "B C L"] | None = None
    partner_lengths: Int[Tensor, "B"] | None = None
    bags: Sequence[str] | None = None
    crops: Crops | None = None
    matches: Crops | None = None
    matched: Bool[Tensor, "B"] | None = None

    @classmethod
    def of(
        cls,
        signal: Float[Tensor, "B C L"],
        lengths: Int[Tensor, "B"] | None = None,
        *,
        rate: int | float = 1.0,
        subjects: Sequence[str] | None = None,
    ) -> WindowBatch:
        """Make a batch of windows as they are, for a training loop of one's own.

        Change `epoch` with `dataclasses.replace`, or augmentations are drawn alike in every epoch.

        Args:
            signal: (B, C, L), finite.
            lengths: valid samples, by default all; the signal is zero beyond them.
            rate: Hz, for counts of seconds alone.
            subjects: subject of each window, by default another for each.

        >>> batch = WindowBatch.of(torch.zeros(4, 3, 100), rate=50)
        >>> batch.seconds, batch.ids[-1]
        (8.0, '3')
        """
        names = [str(row) for row in range(len(signal))]
        sizes = torch.full((len(signal),), signal.shape[2], device=signal.device) if lengths is None else lengths
        return cls(signal, sizes, names, names if subjects is None else subjects, float(rate))
