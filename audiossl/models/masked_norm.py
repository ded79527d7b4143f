"""Batch normalisation over time that leaves padding out."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of (B, C, ..., T) whose statistics, in training, come from valid positions only.

    Without a mask it is `nn.BatchNorm1d` or `nn.BatchNorm2d`; padding comes out as zero with one.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of axes between channels and time."""

    def forward(self, input: Float[Tensor, "B C *S T"], valid: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B C *S T"]:
        """Normalise; `valid` marks positions on the last axis, None means all of them."""
        if valid is None:
            return super().forward(input)
        inner = input.ndim - 3
        mask = valid[:, None, *([None] * inner), :]
        if not self.training:
            return super().forward(input) * mask
        last = input.movedim(1, -1)
        chosen = valid[:, *([None] * inner), :].expand(last.shape[:-1])
        rows = super().forward(last[chosen])
        return torch.zeros_like(last, dtype=rows.dtype).masked_scatter(chosen[..., None], rows).movedim(-1, 1)
