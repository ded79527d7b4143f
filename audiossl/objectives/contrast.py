"""Contrastive losses between two sets of embeddings, and their rows on all ranks."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, distributed
from torch.nn import functional


def gather(x: Num[Tensor, "B D"]) -> Num[Tensor, "N D"]:
    """Rows of all ranks, in the order of ranks, with their gradients; with one process x itself.

    Each rank then computes the loss of the global batch, and gradients flow back to the rank of the rows. Averaged
    over ranks, as the loop does, that is the gradient of the one loss. All ranks must have as many rows and, in training, as many
    batches. Without gradients, as in validation, rows stay on their rank: there one may have a batch more than another.
    """
    return _Gather.apply(x) if world_size() > 1 and torch.is_grad_enabled() else x


def world_size() -> int:
    """Number of ranks."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def nt_xent(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], temperature: float, bags: Int[Tensor, "B"] | None = None
) -> Float[Tensor, ""]:
    """SimCLR's loss (arXiv 2002.05709, eq. 1): each of the 2 B rows finds its partner among all others.

    Args:
        a, b: embeddings of two views, row by row; they are scaled to unit length here.
        temperature: tau.
        bags: a number for each row; other rows of the same number are no negatives (MICLe, arXiv 2101.05224).

    Returns:
        the mean over the 2 B rows, in float32.

    >>> round(float(nt_xent(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.5514
    """
    similarity, positive = _pairs(a, b, temperature)
    if bags is not None:
        same = bags.repeat(2)[:, None] == bags.repeat(2)
        partner = torch.arange(2 * len(a), device=a.device).roll(len(a))
        similarity = similarity.masked_fill(same.scatter(1, partner[:, None], False), -torch.inf)
    return (torch.logsumexp(similarity, dim=1) - positive).mean()


def info_nce(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], temperature: float) -> Float[Tensor, ""]:
    """InfoNCE from a to b: row i of a finds row i of b among the rows of b; mean over rows, in float32.

    Args:
        a, b: embeddings, rows of length 1.
        temperature: tau.

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    """
    similarity = _unit(a) @ _unit(b).T / temperature
    return functional.cross_entropy(similarity, torch.arange(len(a), device=a.device))


def dcl(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], temperature: float, weighted: bool = False, sigma: float = 0.5
) -> Float[Tensor, ""]:
    """Decoupled contrastive loss (arXiv 2110.06848, eq. 5 and 6): without the positive in the denominator.

    Args:
        a, b: embeddings of two views; they are scaled to unit length here.
        temperature: tau.
        weighted: DCLW: the positive of a pair that is less alike than the average counts up to twice, without gradient.
        sigma: width sigma of those weights.

    Returns:
        the mean over the 2 B rows, in float32; it may be negative.

    >>> a = torch.eye(3)
    >>> bool(dcl(a, a, 0.5) < nt_xent(a, a, 0.5))
    True
    """
    similarity, positive = _pairs(a, b, temperature)
    count = len(a)
    partner = torch.arange(2 * count, device=a.device).roll(count)
    negatives = torch.logsumexp(similarity.scatter(1, partner[:, None], -torch.inf), dim=1)
    if weighted:
        weight = 2 - count * torch.softmax(positive[:count].detach() * temperature / sigma, dim=0)
        positive = positive * weight.repeat(2)
    return (negatives - positive).mean()


def _pairs(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], temperature: float
) -> tuple[Float[Tensor, "N N"], Float[Tensor, "N"]]:
    """Scaled similarities of all 2 B rows, -inf with themselves, and those of partners."""
    rows = torch.cat([_unit(a), _unit(b)])
    similarity = rows @ rows.T / temperature
    similarity.fill_diagonal_(-torch.inf)
    return similarity, similarity.diagonal(len(a)).repeat(2)


def _unit(x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    return functional.normalize(x.float() if x.dtype != torch.float64 else x, dim=1)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world_size())]
        distributed.all_gather(rows, x.contiguous())
        return torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        total = grad_outputs[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.chunk(world_size())[distributed.get_rank()]
