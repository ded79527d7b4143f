"""Barlow Twins: redundancy reduction (arXiv 2103.03230, eq. 1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.models.encoder import Encoder
from audiossl.objectives.two_views import TwoViewConfig, TwoViews
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class BarlowTwinsConfig(TwoViewConfig):
    """Views, a wide projector, and `redundancy`, the weight of off-diagonal correlations (lambda)."""

    projector: list[int] = field(default_factory=lambda: [1024, 1024])
    batch_norm: bool = True
    redundancy: float = 0.005


class BarlowTwins(TwoViews):
    """The cross-correlation matrix of two views' embeddings over the batch becomes the identity."""

    Config = BarlowTwinsConfig

    def __init__(self, encoder: Encoder, config: BarlowTwinsConfig | None = None) -> None:
        config = config or BarlowTwinsConfig()
        super().__init__(encoder, config)
        self.redundancy = config.redundancy

    def compare(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], batch: WindowBatch) -> dict[str, Float[Tensor, ""]]:
        """Both terms, summed over dimensions as in the paper."""
        correlation = _standardised(a).T @ _standardised(b) / len(a)
        diagonal = correlation.diagonal()
        off = correlation.square().sum() - diagonal.square().sum()
        return {"agreement": (1 - diagonal).square().sum(), "redundancy": self.redundancy * off}


def _standardised(z: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    deviation, mean = torch.std_mean(z, dim=0, correction=0)
    return (z - mean) / deviation.clamp(min=1e-6)
