"""Graph isomorphism layers on dense graphs (arXiv 1810.00826), as STAGIN uses them (arXiv 2105.13495, section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn


class GINLayer(nn.Module):
    """h_i becomes MLP((1 + eps) h_i + sum of its neighbours), where the MLP is twice a linear layer, batch norm and ReLU.

    Batch norm runs over all nodes of all graphs of the batch. Sums over a hundred neighbours are large before the first norm, so
    they are taken in float32. On graphs of this density one dense product is faster than messages along edges.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(()))
        self.mlp = nn.Sequential(
            nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU()
        )

    def forward(self, nodes: Float[Tensor, "G N D"], graphs: Float[Tensor, "G N N"]) -> Float[Tensor, "G N D"]:
        """Update the nodes of G graphs; `graphs` are symmetric, without self-loops."""
        with torch.autocast(nodes.device.type, enabled=False):
            gathered = torch.bmm(graphs.float(), nodes.float()) + (1 + self.eps) * nodes.float()
        return self.mlp(gathered.flatten(0, 1)).unflatten(0, nodes.shape[:2])


@contextmanager
def kept_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norms of a module use the statistics of the batch without adding them to those that they keep."""
    norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
