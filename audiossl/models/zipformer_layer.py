"""One Zipformer layer: attention weights computed once, shared by four consumers (arXiv 2310.11230, section 2.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.activations import BiasNorm, swoosh_l, swoosh_r
from audiossl.models.causal_depthwise import CausalDepthwiseConv
from audiossl.models.depthwise import DepthwiseConv
from audiossl.models.linear import Linear, batched_product
from audiossl.models.relative_attention import RelativeAttentionWeights
from audiossl.models.scaled_linear import scaled_linear


class ZipformerLayer(nn.Module):
    """Two rounds of attention, convolution and feed-forward around a bypass in the middle and one at the end.

    Args:
        dim: width of the layer.
        num_heads: attention heads.
        feedforward_dim: hidden size of the second feed-forward module; the first has 3/4 and the third 5/4 of it.
        kernel: taps of the convolution modules, odd.
        query_head_dim, pos_head_dim, value_head_dim: sizes per head.
        pos_dim: size of the relative position code.
        causal: convolutions that stay within chunks and the past.
    """

    devices: Callable[..., Tensor] | None = None  # forward pass in training mode; see training_devices/

    def __init__(
        self,
        dim: int,
        num_heads: int,
        feedforward_dim: int,
        kernel: int,
        *,
        query_head_dim: int,
        pos_head_dim: int,
        value_head_dim: int,
        pos_dim: int,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.self_attn_weights = RelativeAttentionWeights(dim, num_heads, query_head_dim, pos_head_dim, pos_dim)
        self.self_attn1 = SelfAttention(dim, num_heads, value_head_dim)
        self.self_attn2 = SelfAttention(dim, num_heads, value_head_dim)
        self.feed_forward1 = FeedForward(dim, feedforward_dim * 3 // 4)
        self.feed_forward2 = FeedForward(dim, feedforward_dim)
        self.feed_forward3 = FeedForward(dim, feedforward_dim * 5 // 4)
        self.nonlin_attention = NonlinAttention(dim, dim * 3 // 4)
        self.conv_module1 = ConvolutionModule(dim, kernel, causal)
        self.conv_module2 = ConvolutionModule(dim, kernel, causal)
        self.norm = BiasNorm(dim)
        self.bypass_mid = Bypass(dim)
        self.bypass = Bypass(dim)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        padding: Bool[Tensor, "B T"] | None = None,
        chunk_size: int | None = None,
        hidden: Bool[Tensor, "T T"] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Transform a batch.

        Args:
            x: frames.
            padding: True at padded frames, None where there are none.
            chunk_size: frames of a chunk in causal layers, None where a clip is one chunk.
            hidden: True at pairs where the first frame does not see the second, None where each sees all.
        """
        if self.devices is not None and self.training:
            return self.devices(self, x, padding)
        start = x
        weights = self.self_attn_weights(x, padding, hidden)
        x = x + self.feed_forward1(x)
        x = x + self.nonlin_attention(x, weights[:, 0])
        x = x + self.self_attn1(x, weights)
        x = x + self.conv_module1(x, padding, chunk_size)
        x = x + self.feed_forward2(x)
        x = self.bypass_mid(start, x)
        x = x + self.self_attn2(x, weights)
        x = x + self.conv_module2(x, padding, chunk_size)
        x = x + self.feed_forward3(x)
        return self.bypass(start, self.norm(x))


class Bypass(nn.Module):
    """start + (end - start) * scale, one learned scale per channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.bypass_scale = nn.Parameter(torch.full((dim,), 0.5))

    def forward(self, start: Float[Tensor, "B T D"], end: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return torch.lerp(start, end, self.bypass_scale)


class SelfAttention(nn.Module):
    """The value path of attention; the weights come from outside."""

    def __init__(self, dim: int, num_heads: int, value_head_dim: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj = Linear(dim, num_heads * value_head_dim)
        self.out_proj = scaled_linear(num_heads * value_head_dim, dim, scale=0.05)

    def forward(self, x: Float[Tensor, "B T D"], weights: Float[Tensor, "B H T T"]) -> Float[Tensor, "B T D"]:
        return self.attend(self.in_proj(x), weights)

    def attend(self, value: Float[Tensor, "B S V"], weights: Float[Tensor, "B H T S"]) -> Float[Tensor, "B T D"]:
        """Average values with the weights of each head."""
        by_head = value.unflatten(2, (self.num_heads, -1)).transpose(1, 2)  # (B, H, S, V / H)
        return self.out_proj(batched_product(weights, by_head).transpose(1, 2).flatten(2))


class NonlinAttention(nn.Module):
    """Gated averaging over time with the weights of one head: out((A (u tanh s)) y)."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.in_proj = Linear(dim, 3 * hidden_dim)
        self.out_proj = scaled_linear(hidden_dim, dim, scale=0.05)

    def forward(self, x: Float[Tensor, "B T D"], weights: Float[Tensor, "B T T"]) -> Float[Tensor, "B T D"]:
        gate, value, factor = self.in_proj(x).chunk(3, dim=2)
        return self.out_proj(batched_product(weights, value * gate.tanh()) * factor)


class ConvolutionModule(nn.Module):
    """Gated linear unit, depthwise convolution over time, SwooshR, linear."""

    def __init__(self, dim: int, kernel: int, causal: bool = False) -> None:
        super().__init__()
        self.in_proj = Linear(dim, 2 * dim)
        self.depthwise_conv = CausalDepthwiseConv(dim, kernel) if causal else DepthwiseConv(dim, kernel)
        self.out_proj = scaled_linear(dim, dim, scale=0.05)

    def forward(
        self, x: Float[Tensor, "B T D"], padding: Bool[Tensor, "B T"] | None, chunk_size: int | None = None
    ) -> Float[Tensor, "B T D"]:
        x = F.glu(self.in_proj(x), dim=2)
        if padding is not None:
            x = x.masked_fill(padding[:, :, None], 0.0)
        causal = isinstance(self.depthwise_conv, CausalDepthwiseConv)
        x = self.depthwise_conv(x, chunk_size, padding) if causal else self.depthwise_conv(x)
        return self.out_proj(swoosh_r(x))


class FeedForward(nn.Module):
    """Linear, SwooshL, linear."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.in_proj = Linear(dim, hidden_dim)
        self.out_proj = scaled_linear(hidden_dim, dim, scale=0.1)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return self.out_proj(swoosh_l(self.in_proj(x)))
