"""Dropping for whole sequences: modules, layers, hidden channels, feature channels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

FEATURE_MASK_PROBABILITY = 0.125


def keep_sequences(x: Float[Tensor, "B *S"], rate: float) -> Float[Tensor, "B ..."] | None:
    """Draw 0 for the sequences that are dropped and 1 for the others, (B, 1, ...); None where all are kept."""
    if rate <= 0:
        return None
    kept = torch.rand(len(x), device="cpu") >= rate
    return None if bool(kept.all()) else kept.view(-1, *[1] * (x.ndim - 1)).to(x.device, x.dtype)


def add_kept(x: Float[Tensor, "B *S"], branch: Float[Tensor, "B *S"], kept: Tensor | None) -> Float[Tensor, "B *S"]:
    """Add a branch to the sequences that keep it. What stays is not scaled up: the layers live with either."""
    return x + (branch if kept is None else branch * kept)


def shared_dropout(x: Float[Tensor, "B T D"], rate: float) -> Float[Tensor, "B T D"]:
    """Dropout with one mask for all times of a sequence."""
    if rate <= 0:
        return x
    kept = torch.rand(len(x), 1, x.shape[2], device=x.device) >= rate
    return x * (kept.to(x.dtype) / (1 - rate))


class FeatureMask:
    """Zeroes the upper channels of some sequences, from the first stack to the last.

    A sequence loses the channels from `unmasked_dim` on with probability 1/8. Of the others, 1/8 lose those of the upper half of
    that range. Drawn once for all stacks, so that nothing passes around it.
    """

    def __init__(self) -> None:
        self.levels: Tensor | None = None

    def draw(self, batch_size: int, probability: float = FEATURE_MASK_PROBABILITY) -> None:
        """Draw for a batch: 0 for sequences that are whole, 1 where the upper half of the range goes, 2 where all of it goes."""
        lose_all, lose_half = torch.rand(2, batch_size, device="cpu") < probability
        levels = torch.where(lose_all, 2, lose_half.long())
        self.levels = levels if bool(levels.any()) else None

    def apply(self, x: Float[Tensor, "B T D"], unmasked_dim: int) -> Float[Tensor, "B T D"]:
        """Mask the frames of a stack."""
        if self.levels is None:
            return x
        dim = x.shape[2]
        first_lost = torch.tensor([dim, unmasked_dim + (dim - unmasked_dim) // 2, unmasked_dim])[self.levels]
        kept = torch.arange(dim)[None, :] < first_lost[:, None]
        return x * kept[:, None, :].to(x.device, x.dtype)
