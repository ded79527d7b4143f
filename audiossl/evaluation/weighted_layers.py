"""A probe that weighs the layers of an encoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class WeightedLayers(nn.Module):
    """Sum of layers with softmax weights that begin equal, and a linear classifier of the sum.

    Args:
        num_layers: L.
        dim: D.
        num_classes: K.
        normalise: apply a layer norm without parameters to every layer first, so that a layer of large values does not drown the
            others (option `normalize` of the SUPERB featuriser).
    """

    def __init__(self, num_layers: int, dim: int, num_classes: int, normalise: bool = True) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(num_layers))
        self.classifier = nn.Linear(dim, num_classes)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)
        self.normalise = normalise

    def forward(self, x: Float[Tensor, "L N D"]) -> Float[Tensor, "N K"]:
        """Classify stacked layers."""
        x = x.float()
        if self.normalise:
            x = functional.layer_norm(x, x.shape[-1:])
        return self.classifier(torch.einsum("l,lnd->nd", self.scores.softmax(dim=0), x))
