"""A batch of sensor windows and the key of its random draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from audiossl.objectives.signal_batch import SignalBatch


@dataclass
class WindowBatch(SignalBatch):
    """Windows without labels.

    Attributes:
        signal: (B, C, L), finite, zero beyond each length.
        lengths: valid samples.
        ids: one per window; augmentations are drawn from (seed, epoch, id).
        subjects: who each window is of.
        rate: Hz.
        epoch, seed: the rest of the key.
        partner, partner_lengths: for each a window of its recording near in time, perhaps itself; None where there are none.
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
