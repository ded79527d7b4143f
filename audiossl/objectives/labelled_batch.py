"""A padded batch of signals with a label each: a transcript in units, or tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from audiossl.lengths import pad_stack
from audiossl.objectives.signal_batch import DivisibleBatch


@dataclass
class LabelledBatch(DivisibleBatch):
    """Signals, targets and the key of their random draws.

    Attributes:
        signal: (B, C, S), zero beyond each length.
        lengths: valid samples.
        ids: one per item; augmentation is drawn from (seed, epoch, id).
        targets: unit numbers, padded with 0, or the share of each tag in [0, 1].
        target_lengths: valid targets.
        epoch, seed: the rest of the key.
        rate: Hz.
    """

    signal: Float[Tensor, "B C S"]
    lengths: Int[Tensor, "B"]
    ids: Sequence[str]
    targets: Shaped[Tensor, "B U"]
    target_lengths: Int[Tensor, "B"]
    epoch: int = 0
    seed: int = 0
    rate: float = 16000.0


def collate_labelled(
    ids: Sequence[str],
    signals: Sequence[Float[Tensor, "C _"]],
    targets: Sequence[Shaped[Tensor, "_"]],
    *,
    epoch: int = 0,
    seed: int = 0,
    sample_rate: float = 16000.0,
) -> LabelledBatch:
    """Pad items, each with an id, a (C, S) signal and its targets, to a batch."""
    signal, lengths = pad_stack([signal.T for signal in signals])
    padded, target_lengths = pad_stack(targets)
    return LabelledBatch(
        signal.transpose(1, 2).contiguous(), lengths, list(ids), padded, target_lengths, epoch, seed, sample_rate
    )
