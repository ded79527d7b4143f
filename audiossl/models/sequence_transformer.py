"""A small transformer over a sequence of frames or windows."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.lengths import padding_mask


class SequenceTransformer(nn.Module):
    """Pre-norm self-attention over valid positions, with sinusoids for the positions.

    Args:
        dim: width of what comes in.
        width: width inside, even.
        num_layers: layers.
        num_heads: heads, a divisor of the width.

    >>> SequenceTransformer(8, width=16, num_layers=1, num_heads=2)(torch.zeros(2, 5, 8), torch.tensor([5, 3])).shape
    torch.Size([2, 5, 16])
    """

    def __init__(self, dim: int, *, width: int = 128, num_layers: int = 2, num_heads: int = 4) -> None:
        super().__init__()
        self.width = width
        self.entry = nn.Linear(dim, width)
        layer = nn.TransformerEncoderLayer(width, num_heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, num_layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, x: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B T W"]:
        """Outputs at every position; those of padding are zero."""
        padding = padding_mask(lengths, x.shape[1])
        hidden = self.entry(x.masked_fill(padding[..., None], 0.0)) + _sinusoids(x.shape[1], self.width).to(x)
        return self.layers(hidden, src_key_padding_mask=padding).masked_fill(padding[..., None], 0.0)


def _sinusoids(size: int, width: int) -> Float[Tensor, "{size} {width}"]:
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
    angles = torch.arange(size)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
