"""Attention weights with compact relative positions, computed once per Zipformer layer (arXiv 2310.11230, section 2.2)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.exporting import is_exporting
from audiossl.models.linear import by_onednn, linear
from audiossl.models.scaled_linear import scaled_linear

MASKED_SCORE = -1000.0  # finite, so that a row whose keys are all masked stays finite
LONG = 200  # frames from which weights are made in blocks
BLOCK_QUERIES = 128


class RelativeAttentionWeights(nn.Module):
    """Softmax over keys of q.k + p.r(j - i), where r is a linear map of the compact position code of the offset.

    There is no 1/sqrt(query size): the initial scale of `in_proj` carries it.
    """

    def __init__(self, dim: int, num_heads: int, query_head_dim: int, pos_head_dim: int, pos_dim: int) -> None:
        super().__init__()
        self.num_heads, self.pos_dim = num_heads, pos_dim
        self.sizes = [num_heads * query_head_dim, num_heads * query_head_dim, num_heads * pos_head_dim]
        self.in_proj = scaled_linear(dim, sum(self.sizes), scale=query_head_dim**-0.25)
        self.linear_pos = scaled_linear(pos_dim, num_heads * pos_head_dim, scale=0.05, bias=False)

    def forward(
        self, x: Float[Tensor, "B T D"], padding: Bool[Tensor, "B T"] | None, hidden: Bool[Tensor, "T T"] | None = None
    ) -> Float[Tensor, "B H T T"]:
        """Compute weights of each frame (third axis) for each other (last axis).

        Args:
            x: frames.
            padding: True at padded frames, which get no weight.
            hidden: True at pairs where the first frame does not see the second.
        """
        query, key, pos_query = self.project(x)
        codes = self.project_codes(x.shape[1], x.shape[1], x.device)
        masked = None if padding is None else padding[:, None, None, :]
        if hidden is not None:
            masked = hidden[None, None] if masked is None else hidden | masked
        if not by_onednn(query, key) or x.shape[1] < LONG or torch.is_grad_enabled():
            return attention_weights(query, key, pos_query, codes, masked)
        in_blocks = _opaque_attention_weights if torch.compiler.is_compiling() else attention_weights_in_blocks
        return in_blocks(query, key, pos_query, codes, masked)

    def project(
        self, x: Float[Tensor, "B T D"]
    ) -> tuple[Float[Tensor, "B H T Q"], Float[Tensor, "B H T Q"], Float[Tensor, "B H T P"]]:
        """Compute queries, keys and positional queries by head."""
        parts = self.in_proj(x).split(self.sizes, dim=2)
        query, key, pos_query = (part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in parts)
        return query, key, pos_query

    def project_codes(self, queries: int, keys: int, device: torch.device) -> Float[Tensor, "H P O"]:
        """Position codes by head of the offsets -(keys - 1) .. queries - 1, of queries that end where the keys do."""
        codes = position_codes(keys, self.pos_dim, device)[: keys + queries - 1].to(self.linear_pos.weight.dtype)
        return self.linear_pos(codes).unflatten(1, (self.num_heads, -1)).permute(1, 2, 0)


def attention_weights(
    query: Float[Tensor, "B H T Q"],
    key: Float[Tensor, "B H S Q"],
    pos_query: Float[Tensor, "B H T P"],
    codes: Float[Tensor, "H P O"],
    masked: Bool[Tensor, "#B 1 #T S"] | None,
) -> Float[Tensor, "B H T S"]:
    """Softmax over S keys for T queries that end at the same frame; T is S or less.

    Args:
        query, key, pos_query: projections by head.
        codes: codes of the offsets -(S-1) .. T-1, S + T - 1 in all.
        masked: True at pairs that get no weight.
    """
    by_position = relative_shift(pos_query @ codes)
    if is_exporting():
        scores = by_position + query @ key.mT
    else:
        scores = torch.baddbmm(by_position.flatten(0, 1), query.flatten(0, 1), key.transpose(2, 3).flatten(0, 1)).unflatten(
            0, query.shape[:2]
        )
    compute_dtype = scores.dtype
    scores = scores.float() if compute_dtype in (torch.float16, torch.bfloat16) else scores
    if masked is not None:
        scores = scores.masked_fill_(masked, MASKED_SCORE)
    return scores.softmax(-1).to(compute_dtype)


def attention_weights_in_blocks(
    query: Float[Tensor, "B H T Q"],
    key: Float[Tensor, "B H T Q"],
    pos_query: Float[Tensor, "B H T P"],
    codes: Float[Tensor, "H P O"],
    masked: Bool[Tensor, "#B 1 #T T"] | None,
) -> Float[Tensor, "B H T T"]:
    """Compute the same for long clips on CPUs, without gradient: a block of queries of one head at a time.

    Only the weights exist as a whole. Each block multiplies with the offsets that it has, half of all, and stays in the cache.
    """
    batch, heads, frames, _ = query.shape
    weights = query.new_empty(batch, heads, frames, frames)
    rows = BLOCK_QUERIES * torch.get_num_threads()
    for item in range(batch):
        for head in range(heads):
            for first in range(0, frames, rows):
                last = min(first + rows, frames)
                scores = linear(query[item, head, first:last], key[item, head], None)
                by_offset = pos_query[item, head, first:last] @ codes[head, :, frames - last : 2 * frames - first - 1]
                scores += relative_shift(by_offset[None, None])[0, 0]
                if masked is not None:
                    of_item = masked[min(item, len(masked) - 1), 0]
                    scores.masked_fill_(of_item if len(of_item) == 1 else of_item[first:last], MASKED_SCORE)
                torch.softmax(scores, -1, out=weights[item, head, first:last])
    return weights


# Loops over clips and heads: one operator to torch.compile.
_opaque_attention_weights = torch.library.custom_op(
    "audiossl::attention_weights_in_blocks",
    attention_weights_in_blocks,
    mutates_args=(),
    schema="(Tensor query, Tensor key, Tensor pos_query, Tensor codes, Tensor? masked) -> Tensor",
)
_opaque_attention_weights.register_fake(
    lambda query, key, pos_query, codes, masked: query.new_empty(*query.shape[:-1], key.shape[2])
)


def relative_shift(by_offset: Float[Tensor, "B H T O"]) -> Float[Tensor, "B H T S"]:
    """View scores by offset, (B, H, T, S+T-1), as scores by key: out[..., i, j] = by_offset[..., i, (j - i) + T - 1].

    No copy is made: stepping one query down and one offset left is a constant stride.
    """
    batch, heads, queries, offsets = by_offset.shape
    if is_exporting():  # a row more than the offsets, read as rows of as many: each begins one offset further left
        flat = F.pad(by_offset, (0, 1)).flatten(2)[:, :, queries - 1 : queries - 1 + queries * offsets]
        return flat.unflatten(2, (queries, offsets))[..., : offsets - queries + 1]
    by_offset = by_offset.contiguous()
    strides = by_offset.stride()
    size = (batch, heads, queries, offsets - queries + 1)
    return by_offset.as_strided(size, (strides[0], strides[1], strides[2] - 1, 1), queries - 1)


def position_codes(frames: int, dim: int, device: torch.device) -> Float[Tensor, "O {dim}"]:
    """Codes of the offsets -(T-1) .. T-1, shape (2T-1, dim) float32; cached per length and device.

    u = c sign(x) (ln(|x| + c) - ln c) with c = sqrt(dim) compresses the offset x, a = atan(2 pi u / dim) bends it into an angle,
    and the code holds cos(a f), sin(a f) for f = 1 .. dim/2, its last entry replaced by 1.
    """
    if is_exporting():
        return _position_codes(frames, dim, device, torch.float32)  # runtimes lack the arc tangent of doubles
    if torch.compiler.is_compiling():
        return _position_codes(frames, dim, device)
    return _cached_position_codes(frames, dim, device)


def _position_codes(frames: int, dim: int, device: torch.device, dtype: torch.dtype = torch.float64) -> Tensor:
    offset = torch.arange(1 - frames, frames, device="cpu").to(dtype)
    scale = math.sqrt(dim)
    compressed = scale * offset.sign() * ((offset.abs() + scale).log() - math.log(scale))
    angle = torch.atan(compressed * (2 * math.pi / dim))
    phases = angle[:, None] * torch.arange(1, dim // 2 + 1, device="cpu", dtype=dtype)
    codes = torch.stack([phases.cos(), phases.sin()], dim=2).flatten(1)
    codes[:, -1] = 1.0
    return codes.float().to(device)


@lru_cache(maxsize=64)
def _cached_position_codes(frames: int, dim: int, device: torch.device) -> Tensor:
    # A tensor born in inference mode could not be used for training later.
    with torch.inference_mode(False):
        return _position_codes(frames, dim, device)
