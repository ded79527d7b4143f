"""A queue of past embeddings, as negatives (MoCo, arXiv 1911.05722)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from audiossl.objectives.contrast import gather
from audiossl.seeds import derive_generator


class Queue(nn.Module):
    """The newest embeddings of all ranks, of unit length; before there are enough, the others are random directions.

    Args:
        size: number of embeddings.
        dim: width of them.

    >>> queue = Queue(4, 2)
    >>> queue.add(torch.tensor([[3.0, 0.0]]))
    >>> queue.rows[0].tolist(), int(queue.filled)
    ([1.0, 0.0], 1)
    """

    rows: Tensor
    filled: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        drawn = torch.randn(size, dim, generator=derive_generator("queue", size, dim))
        self.register_buffer("rows", functional.normalize(drawn, dim=1))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def contrast(self, query: Float[Tensor, "B D"], key: Float[Tensor, "B D"], temperature: float) -> Float[Tensor, "B"]:
        """InfoNCE of each query, whose key stands among the rows of the queue, in float32.

        >>> queue = Queue(3, 2)
        >>> queue.rows.copy_(torch.tensor([[1.0, 0.0]]).expand(3, 2)).shape
        torch.Size([3, 2])
        >>> bool(queue.contrast(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0]]), 0.1).exp().isclose(torch.tensor(4.0)))
        True
        """
        query, key = functional.normalize(query.float(), dim=1), functional.normalize(key.float(), dim=1)
        positive = (query * key).sum(1, keepdim=True)
        # A copy, as the queue takes in keys before the gradient is computed.
        scores = torch.cat([positive, query @ self.rows.clone().T], dim=1) / temperature
        return functional.cross_entropy(scores, torch.zeros(len(query), dtype=torch.long, device=query.device), reduction="none")

    def add(self, keys: Float[Tensor, "B D"]) -> None:
        """Take in the keys of all ranks, in the place of the oldest."""
        put_in_ring([self.rows], [functional.normalize(gather(keys.detach()).float(), dim=1)], self.filled)


@torch.no_grad()
def put_in_ring(
    rings: Sequence[Shaped[Tensor, "Q ..."]], new: Sequence[Shaped[Tensor, "N ..."]], filled: Shaped[Tensor, ""]
) -> None:
    """Write rows over the oldest ones of rings of one size.

    Args:
        rings: rings, which are changed.
        new: rows of each; of more than there is room for, the last stay.
        filled: rows written so far, which is raised. Past the first round it goes on, so that it is also the place of the oldest.
    """
    size = len(rings[0])
    kept = [rows[-size:] for rows in new]
    places = (int(filled) + torch.arange(len(kept[0]), device=filled.device)) % size
    for ring, rows in zip(rings, kept, strict=True):
        ring[places] = rows.to(ring)
    filled += len(places)
