"""SUPERB's featuriser: a weighted sum of layers, all that is trained next to the head (arXiv 2105.01051, section 3)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class Featuriser(nn.Module):
    """`sum_l softmax(w)_l g(h_l)` with w zero at first; one layer is passed on as it is, and then nothing is trained.

    Args:
        num_layers: L.
        normalise: g is a layer norm without parameters instead of the identity; published numbers are made without.
        layer: take this one layer only.
    """

    def __init__(self, num_layers: int, normalise: bool = False, layer: int | None = None) -> None:
        super().__init__()
        self.layer = 0 if num_layers == 1 else layer
        self.normalise = normalise
        if self.layer is None:
            self.scores = nn.Parameter(torch.zeros(num_layers))

    def forward(self, layers: Float[Tensor, "L B T D"]) -> Float[Tensor, "B T D"]:
        """The weighted sum, in float32."""
        layers = layers.float() if self.layer is None else layers[self.layer : self.layer + 1].float()
        if self.normalise:
            layers = functional.layer_norm(layers, layers.shape[-1:])
        return layers[0] if self.layer is not None else torch.einsum("l,lbtd->btd", self.scores.softmax(0), layers)

    def weights(self) -> list[float]:
        """The softmax weights, for the results; empty where one layer is taken."""
        return [] if self.layer is not None else self.scores.detach().softmax(0).tolist()
