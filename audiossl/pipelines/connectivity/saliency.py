"""How much an encoder's windows depend on each region and each edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.models.connectivity_encoder import ConnectivityEncoder
from audiossl.pipelines.connectivity.parts import holds_windows


def region_saliency(
    encoder: ConnectivityEncoder, series: Sequence[Float[Tensor, "N _"]]
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N N"]]:
    """Mean size of the gradient of a window's squared length by the edges of its graph, and its sum at each region.

    Edges count with the sign of their gradient in the matrix; regions as shares that sum to 1. Runs without a window that keeps
    half of its volumes say nothing, and are passed over.
    """
    sizes = ((encoder.config.window, encoder.config.stride, 1),)
    total = torch.zeros(len(encoder.regions), len(encoder.regions))
    for run in series:
        if not holds_windows(~run.isnan().all(0), sizes):
            continue
        with torch.no_grad():
            cut = encoder.windows(run[None], torch.tensor([run.shape[1]]))
        graphs = cut.graphs.clone().requires_grad_()
        nodes = encoder.nodes(replace(cut, graphs=graphs))[-1]
        encoder.readouts[-1](nodes).square().sum().backward()
        assert graphs.grad is not None
        total += (graphs.grad * graphs.detach()).mean(0)
    total = (total + total.T) / 2
    shares = total.abs().sum(1)
    return (shares / shares.sum().clamp(min=1e-30)).numpy(), (total / total.abs().max().clamp(min=1e-30)).numpy()
