"""One layer of cross-attention: queries ask the frames of a sequence, and a feed-forward layer follows."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask


class CrossAttention(nn.Module):
    """Multi-head attention and a feed-forward layer, each added to what came in and normalised.

    Args:
        dim: width of queries and frames.
        width: width of the layer and of what it returns.
        heads: number of heads, which divides the width.

    Raises:
        ConfigError: if it does not.

    >>> import torch
    >>> layer = CrossAttention(6, 8, 2)
    >>> layer(torch.randn(2, 3, 6), torch.randn(2, 5, 6), torch.tensor([5, 4])).shape
    torch.Size([2, 3, 8])
    """

    def __init__(self, dim: int, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(f"expected a number of heads that divides the width {width}, got {heads}")
        self.heads = heads
        self.query, self.enter = nn.Linear(dim, width), nn.Linear(dim, width)
        self.key_value, self.leave = nn.Linear(width, 2 * width, bias=False), nn.Linear(width, width, bias=False)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.norm, self.final_norm = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(
        self, queries: Float[Tensor, "B Q D"], frames: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]
    ) -> Float[Tensor, "B Q W"]:
        """Gather for every query what it asks of the valid frames of its item."""
        query = self.query(queries)
        key, value = self.key_value(self.enter(frames)).chunk(2, dim=2)
        split = [x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (query, key, value)]
        seen = ~padding_mask(lengths, frames.shape[1])[:, None, None]
        found = functional.scaled_dot_product_attention(*split, attn_mask=seen)
        hidden = self.norm(query + self.leave(found.transpose(1, 2).flatten(2)))
        return self.final_norm(hidden + self.feed_forward(hidden))
