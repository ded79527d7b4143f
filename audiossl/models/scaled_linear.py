"""Layers whose initial values are scaled down, as published for the Zipformer."""

from __future__ import annotations

import torch
from torch import nn

from audiossl.models.linear import Linear


def scaled_linear(in_dim: int, out_dim: int, scale: float, bias: bool = True) -> Linear:
    """Make a linear layer whose default initial weights are multiplied by `scale`."""
    layer = Linear(in_dim, out_dim, bias=bias)
    scale_initial_values(layer, scale)
    return layer


@torch.no_grad()
def scale_initial_values(layer: nn.Linear | nn.Conv2d, scale: float) -> None:
    """Multiply the weights by `scale` and draw the bias from U(-0.1 scale, 0.1 scale)."""
    layer.weight.mul_(scale)
    if layer.bias is not None:
        layer.bias.uniform_(-0.1 * scale, 0.1 * scale)
