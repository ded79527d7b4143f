"""Attention over the windows of a run, the supervised path of STAGIN (arXiv 2105.13495, section 3.3)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class TemporalTransformer(nn.Module):
    """One head of self-attention without a residual, a norm, an MLP with one, a norm; then the sum or mean over windows."""

    def __init__(self, dim: int, dropout: float = 0.1, time_pool: Literal["sum", "mean"] = "sum") -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, 1, dropout, batch_first=True)
        self.norm_in, self.norm_out = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim))
        self.dropout, self.time_pool = nn.Dropout(dropout), time_pool

    def forward(self, windows: Float[Tensor, "B K D"], valid: Bool[Tensor, "B K"]) -> Float[Tensor, "B D"]:
        """Pool the valid windows of each run."""
        attended, _ = self.attention(windows, windows, windows, key_padding_mask=~valid, need_weights=False)
        hidden = self.norm_in(attended)
        hidden = self.norm_out(hidden + self.dropout(self.mlp(hidden)))
        total = torch.where(valid[..., None], hidden, 0.0).sum(1)
        return total if self.time_pool == "sum" else total / valid.sum(1, keepdim=True)
