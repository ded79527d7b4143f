"""From the nodes of a graph to one vector: mean, SERO and GARO (arXiv 2105.13495, section 3.2)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError

Readout = Literal["sero", "garo", "mean"]


def make_readout(kind: str, num_regions: int, dim: int) -> nn.Module:
    """Make a read-out; it is called with nodes (G, N, D) and gives vectors (G, D).

    Raises:
        ConfigError: for another name.
    """
    if kind not in get_args(Readout):
        raise ConfigError(f"expected a read-out of {', '.join(get_args(Readout))}, got {kind!r}")
    return {"sero": SERO, "garo": GARO, "mean": MeanReadout}[kind](num_regions, dim)


class MeanReadout(nn.Module):
    """The mean node; knows no atlas."""

    def __init__(self, num_regions: int, dim: int) -> None:
        super().__init__()

    def forward(self, nodes: Float[Tensor, "G N D"]) -> Float[Tensor, "G D"]:
        """Average."""
        return nodes.mean(1)


class SERO(nn.Module):
    """Squeeze and excitation over regions: the mean node decides how much each region counts. Its weights know the atlas."""

    def __init__(self, num_regions: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.squeeze, self.norm, self.excite = nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.Linear(dim, num_regions)
        self.dropout = nn.Dropout(dropout)

    def weights(self, nodes: Float[Tensor, "G N D"]) -> Float[Tensor, "G N"]:
        """How much each region counts, 0 to 1."""
        return torch.sigmoid(self.excite(functional.gelu(self.norm(self.squeeze(nodes.mean(1))))))

    def forward(self, nodes: Float[Tensor, "G N D"]) -> Float[Tensor, "G D"]:
        """Average with the weights."""
        return (self.dropout(self.weights(nodes))[..., None] * nodes).mean(1)


class GARO(nn.Module):
    """Attention of the mean node to the regions, sigmoid(<Wq g, Wk h_i> / sqrt(D)); knows no atlas.

    The division is inside the sigmoid, as the formula has it; the public code of STAGIN divides after it.
    """

    def __init__(self, num_regions: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def weights(self, nodes: Float[Tensor, "G N D"]) -> Float[Tensor, "G N"]:
        """How much each region counts, 0 to 1."""
        scores = (self.query(nodes.mean(1))[:, None] * self.key(nodes)).sum(-1)
        return torch.sigmoid(scores / nodes.shape[-1] ** 0.5)

    def forward(self, nodes: Float[Tensor, "G N D"]) -> Float[Tensor, "G D"]:
        """Average with the weights."""
        return (self.dropout(self.weights(nodes))[..., None] * nodes).mean(1)
