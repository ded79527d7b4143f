"""A padded batch of signals with a label each: a transcript in units, or tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from audiossl.lengths import pad_stack


@dataclass
class LabelledBatch:
    """Signals, targets and the key of their random draws.

    Attributes:
        signal: (B, C, S), zero beyond each length.
        lengths: valid samples.
        ids: one per item; augmentation is drawn from (seed, epoch, id).
        targets: unit numbers, padded with 0, or the share of each tag in [0, 1].
        target_lengths: valid targets.
        epoch, seed: the rest of the key.
        sample_rate: Hz.
    """

    signal: Float[Tensor, "B C S"]
    lengths: Int[Tensor, "B"]
    ids: Sequence[str]
    targets: Shaped[Tensor, "B U"]
    target_lengths: Int[Tensor, "B"]
    epoch: int = 0
    seed: int = 0
    sample_rate: float = 16000.0

    @property
    def seconds(self) -> float:
        """Seconds of signal without padding."""
        return float(self.lengths.sum()) / self.sample_rate

    def to(self, device: torch.device | str) -> LabelledBatch:
        """Move the tensors to a device."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True) for name in ("signal", "lengths", "targets", "target_lengths")
        }
        return replace(self, **moved)

    def halves(self) -> list[LabelledBatch]:
        """The first and the second half of the items; nothing if there is one only."""
        if len(self.ids) < 2:
            return []
        middle, names = len(self.ids) // 2, ("signal", "lengths", "ids", "targets", "target_lengths")
        return [
            replace(self, **{name: getattr(self, name)[part] for name in names}) for part in (slice(middle), slice(middle, None))
        ]


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
