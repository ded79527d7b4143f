"""The forward pass of a Zipformer layer in training, with all its devices (arXiv 2310.11230, section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from audiossl.models.activations import swoosh_l, swoosh_r
from audiossl.models.relative_attention import MASKED_SCORE, RelativeAttentionWeights, position_codes, relative_shift
from audiossl.models.training_devices.balancer import Balancer
from audiossl.models.training_devices.chance import happens
from audiossl.models.training_devices.penalty import penalise_large_scores
from audiossl.models.training_devices.schedule import Schedule
from audiossl.models.training_devices.skips import add_kept, keep_sequences, shared_dropout
from audiossl.models.training_devices.workshop import Workshop

if TYPE_CHECKING:
    from audiossl.models.zipformer_layer import (
        Bypass,
        ConvolutionModule,
        FeedForward,
        NonlinAttention,
        SelfAttention,
        ZipformerLayer,
    )

DROPOUT = Schedule((0, 0.3), (20000, 0.1))
ATTENTION_SKIP = Schedule((0, 0.2), (4000, 0.05), (16000, 0.0))  # of convolutions too
FEED_FORWARD_SKIP = Schedule((0, 0.1), (4000, 0.01), (50000, 0.0))
POSITION_SKIP = Schedule((0, 0.5), (4000, 0.0))
POSITION_DROPOUT = 0.15


class LayerInTraining:
    """Stands in for `ZipformerLayer.forward` in training mode; with all devices off it computes the same.

    Written out next to the plain forward pass, so that neither that nor inference carries twenty switches.

    Args:
        shop: makes the devices.
        num_heads: attention heads of the layer.
        layer_skip: rate at which sequences pass by the layer.
        unmasked_dim: channels that feature masks leave alone.
        is_first: whether this is the first layer of its stack; its input is masked as well.
    """

    def __init__(self, shop: Workshop, num_heads: int, layer_skip: Schedule, unmasked_dim: int, is_first: bool) -> None:
        self.shop, self.layer_skip, self.unmasked_dim, self.is_first = shop, layer_skip, unmasked_dim, is_first
        self.attention = AttentionInTraining(shop, num_heads)
        self.before_norm = shop.balancer((0.45, 0.55), (0.2, 4.0))
        self.end = shop.balancer((0.45, 0.55), (0.1, 4.0))
        self.end_whiten = shop.whiten(4.0, 12.0)
        self.attention_whiten = shop.whiten(7.5, 22.5)
        self.feed_forward_hidden = shop.balancer((0.3, 1.0), (0.75, 5.0))
        self.feed_forward_whiten = shop.whiten(7.5, 15.0)
        self.feed_forward2_out = shop.balancer((0.3, 0.7), (Schedule((0, 0.0), (4000, 0.1)), 2.0), 0.05)
        self.feed_forward3_out = shop.balancer((0.3, 0.7), (Schedule((0, 0.0), (4000, 0.2)), 4.0), 0.05)
        self.nonlin_gate = shop.balancer((Schedule((0, 0.25), (20000, 0.05)), Schedule((0, 0.75), (20000, 0.95))), (0.5, 5.0))
        self.nonlin_value_whiten = shop.whiten(5.0, 10.0)
        self.nonlin_out = shop.balancer((0.3, 0.7), (Schedule((0, 0.004), (4000, 0.02)), 100.0), 0.05)
        self.nonlin_whiten = shop.whiten(5.0, 15.0)
        self.conv_gate = shop.balancer((Schedule((0, 0.05), (8000, 0.025)), 1.0), (1.5, Schedule((0, 5.0), (8000, 10.0))))
        self.conv_hidden = shop.balancer((Schedule((0, 0.1), (8000, 0.05)), 1.0), (Schedule((0, 0.2), (20000, 0.5)), 10.0))
        self.conv_whiten = shop.whiten(7.5, 15.0)

    def __call__(
        self, layer: ZipformerLayer, x: Float[Tensor, "B T D"], padding: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D"]:
        """Transform a batch as `ZipformerLayer` does, with the devices."""
        options, shop = self.shop.options, self.shop
        start = x = shop.feature_mask.apply(x, self.unmasked_dim) if self.is_first else x
        attention_skip = shop.rate(options.skips, ATTENTION_SKIP)
        feed_forward_skip = shop.rate(options.skips, FEED_FORWARD_SKIP)

        weights = self.attention(layer.self_attn_weights, x, padding)
        x = x + self._feed_forward(layer.feed_forward1, x, padding)
        attending = keep_sequences(x, attention_skip)  # one draw for all three consumers
        x = add_kept(x, self._nonlin_attention(layer.nonlin_attention, x, weights[:, 0], padding), attending)
        x = add_kept(x, self._self_attention(layer.self_attn1, x, weights, padding), attending)
        x = add_kept(x, self._convolution(layer.conv_module1, x, padding), keep_sequences(x, attention_skip))
        branch = self._feed_forward(layer.feed_forward2, x, padding, self.feed_forward2_out)
        x = add_kept(x, branch, keep_sequences(x, feed_forward_skip))
        x = layer.bypass_mid(start, x)
        x = add_kept(x, self._self_attention(layer.self_attn2, x, weights, padding), attending)
        x = add_kept(x, self._convolution(layer.conv_module2, x, padding), keep_sequences(x, attention_skip))
        branch = self._feed_forward(layer.feed_forward3, x, padding, self.feed_forward3_out)
        x = add_kept(x, branch, keep_sequences(x, feed_forward_skip))
        x = layer.norm(self.before_norm(x, padding))
        x = self._bypass(layer.bypass, start, x)
        x = self.end_whiten(self.end(x, padding), padding)
        return shop.feature_mask.apply(x, self.unmasked_dim)

    def _bypass(self, module: Bypass, start: Float[Tensor, "B T D"], end: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """The bypass at the end, by which some sequences pass the whole layer."""
        kept = keep_sequences(end, self.shop.rate(self.shop.options.layer_skip, self.layer_skip))
        return module(start, end) if kept is None else torch.lerp(start, end, module.bypass_scale * kept)

    def _feed_forward(
        self, module: FeedForward, x: Float[Tensor, "B T D"], padding: Bool[Tensor, "B T"] | None, out: Balancer | None = None
    ) -> Float[Tensor, "B T D"]:
        hidden = swoosh_l(self.feed_forward_hidden(module.in_proj(x), padding))
        hidden = shared_dropout(hidden, self.shop.rate(self.shop.options.dropout, DROPOUT))
        x = self.feed_forward_whiten(module.out_proj(hidden), padding)
        return x if out is None else out(x, padding)

    def _nonlin_attention(
        self,
        module: NonlinAttention,
        x: Float[Tensor, "B T D"],
        weights: Float[Tensor, "B T T"],
        padding: Bool[Tensor, "B T"] | None,
    ) -> Float[Tensor, "B T D"]:
        x = module.in_proj(x)
        third = x.shape[2] // 3
        x = self.nonlin_gate(x, padding, slice(0, third))
        x = self.nonlin_value_whiten(x, padding, slice(third, 2 * third))
        gate, value, factor = x.chunk(3, dim=2)
        x = module.out_proj((weights @ (value * gate.tanh())) * factor)
        return self.nonlin_out(self.nonlin_whiten(x, padding), padding)

    def _self_attention(
        self,
        module: SelfAttention,
        x: Float[Tensor, "B T D"],
        weights: Float[Tensor, "B H T T"],
        padding: Bool[Tensor, "B T"] | None,
    ) -> Float[Tensor, "B T D"]:
        return self.attention_whiten(module(x, weights), padding)

    def _convolution(
        self, module: ConvolutionModule, x: Float[Tensor, "B T D"], padding: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B T D"]:
        x = module.in_proj(x)
        x = F.glu(self.conv_gate(x, padding, slice(x.shape[2] // 2, x.shape[2])), dim=2)
        if padding is not None:
            x = x.masked_fill(padding[:, :, None], 0.0)
        x = self.conv_hidden(module.depthwise_conv(x), padding)
        return module.out_proj(swoosh_r(self.conv_whiten(x, padding)))


class AttentionInTraining:
    """Stands in for `RelativeAttentionWeights.forward` in training mode."""

    def __init__(self, shop: Workshop, num_heads: int) -> None:
        self.shop = shop
        self.keys = shop.balancer((0.4, 0.6), (0.0, 100.0), 0.025)
        self.keys_whiten = shop.whiten(3.0, 6.0, grad_scale=0.025, groups=num_heads)

    def __call__(
        self, module: RelativeAttentionWeights, x: Float[Tensor, "B T D"], padding: Bool[Tensor, "B T"] | None
    ) -> Float[Tensor, "B H T T"]:
        """Attention weights, with limits on keys and scores, and positions that are partly or wholly left out."""
        options, frames = self.shop.options, x.shape[1]
        x, keys = module.in_proj(x), slice(module.sizes[0], module.sizes[0] + module.sizes[1])
        x = self.keys_whiten(self.keys(x, padding, keys), padding, keys)
        query, key, pos_query = (part.unflatten(2, (module.num_heads, -1)) for part in x.split(module.sizes, dim=2))
        query, key = query.transpose(1, 2).flatten(0, 1), key.permute(0, 2, 3, 1).flatten(0, 1)
        if happens(self.shop.rate(options.position_skip, POSITION_SKIP)):
            scores = torch.bmm(query, key)
        else:
            codes = position_codes(frames, module.pos_dim, x.device)
            codes = F.dropout(codes, POSITION_DROPOUT) if options.position_dropout else codes
            codes = module.linear_pos(codes.to(module.linear_pos.weight.dtype)).unflatten(1, (module.num_heads, -1))
            by_offset = pos_query.transpose(1, 2) @ codes.permute(1, 2, 0)  # (B, H, T, 2T-1)
            scores = torch.baddbmm(relative_shift(by_offset).flatten(0, 1), query, key)
        scores = scores.unflatten(0, (len(x), module.num_heads))
        compute_dtype = scores.dtype
        scores = scores.float() if compute_dtype in (torch.float16, torch.bfloat16) else scores
        if padding is not None:
            scores = scores.masked_fill_(padding[:, None, None, :], MASKED_SCORE)
        scores = penalise_large_scores(scores, padding) if options.score_penalty else scores
        return scores.softmax(-1).to(compute_dtype)
