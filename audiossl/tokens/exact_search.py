"""The index refinement of the multi_quantization package, reproduced code for code.

Guo et al., ICASSP 2023, arXiv 2211.00508. Use it to reproduce published tokens; `search` finds better codes faster.
The arithmetic keeps the reference's order of float32 operations, since near-ties are decided by rounding.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError

EXACT_BLOCK = 1024  # frames per pass; only memory depends on it


def check_exact(num_codebooks: int, codebook_size: int) -> None:
    """Refuse shapes the reference cannot have.

    Raises:
        ConfigError: if either number is not a power of two.
    """
    if num_codebooks.bit_count() != 1 or codebook_size.bit_count() != 1:
        raise ConfigError(
            f"quality='exact' follows multi_quantization, which needs powers of two, not {num_codebooks} codebooks "
            f"of {codebook_size}; use quality='default'"
        )


def refine(centers: Float[Tensor, "N K D"], frames: Float[Tensor, "B D"], codes: Int[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """One refinement pass: keep the best single replacements per codebook, then merge neighbouring codebooks pair by pair.

    At every level an option is a joint replacement of the L codes of one group; its score is the total squared error if only this
    group changes. The error may rise, as in the reference: the current codes can be pruned.
    """
    codebook_size = centers.shape[1]
    chosen = centers[torch.arange(len(centers), device=codes.device), codes]  # (B, N, D)
    error = chosen.sum(1) - frames  # (B, D)
    error_square = error.square().sum(-1)[:, None, None]
    scores = _single_scores(centers, error[:, None] - chosen)  # (B, N, K)
    members = torch.arange(codebook_size, device=codes.device)[None, None, :, None].expand(*scores.shape, 1)  # (B, G, K, L)

    # First level: deltas exist for the kept options only.
    scores, kept = _prune(scores, _limit(codebook_size, 1))
    members = _take(members, kept)
    books = torch.arange(len(centers), device=codes.device)[None, :, None]
    deltas = centers[books, kept] - chosen[:, :, None]  # (B, G, K, D)
    while scores.shape[1] > 1:
        options, span = scores.shape[2], 2 * members.shape[3]
        cross = torch.matmul(deltas[:, 0::2], deltas[:, 1::2].transpose(2, 3))  # (B, G/2, K, K)
        joint = scores[:, 0::2, :, None] + scores[:, 1::2, None, :]
        joint = joint.flatten(2) - error_square + 2 * cross.flatten(2)
        last = joint.shape[1] == 1
        scores, kept = _prune(joint, 1 if last else _limit(codebook_size, span))
        even, odd = kept // options, kept % options
        members = torch.cat([_take(members[:, 0::2], even), _take(members[:, 1::2], odd)], dim=3)
        if not last:
            deltas = _take(deltas[:, 0::2], even) + _take(deltas[:, 1::2], odd)
    if scores.shape[2] > 1:  # one codebook only
        members = _take(members, scores.argmin(2, keepdim=True))
    return members[:, 0, 0]


def _single_scores(centers: Float[Tensor, "N K D"], rest: Float[Tensor, "B N D"]) -> Float[Tensor, "B N K"]:
    """|rest + centre|^2 for every entry of every codebook."""
    cross = torch.matmul(centers, rest.permute(1, 2, 0)).permute(2, 0, 1)
    return rest.square().sum(-1, keepdim=True) + centers.square().sum(-1) + 2 * cross


def _limit(codebook_size: int, span: int) -> int:
    """Options kept per group of `span` codes: 8 or 16 at first, twice as many each time the span grows by 4, at most 128."""
    limit = 8 if codebook_size <= 16 else 16
    while span >= 4:
        span //= 4
        limit *= 2
    return min(limit, 128)


def _prune(scores: Float[Tensor, "B G K"], keep: int) -> tuple[Float[Tensor, "B G k"], Int[Tensor, "B G k"]]:
    if scores.shape[2] <= keep:
        return scores, torch.arange(scores.shape[2], device=scores.device).expand(scores.shape)
    return scores.topk(keep, dim=2, largest=False, sorted=True)


def _take(values: Tensor, kept: Int[Tensor, "B G k"]) -> Tensor:
    """Options `kept` of values (B, G, K, any)."""
    return values.gather(2, kept[..., None].expand(*kept.shape, values.shape[3]))
