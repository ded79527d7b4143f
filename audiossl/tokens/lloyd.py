"""Plain k-means for the start of training; small, seeded, on tensors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.tokens.offsets import common_offset


def lloyd(
    frames: Float[Tensor, "T D"], num_clusters: int, generator: torch.Generator, iterations: int = 8
) -> Float[Tensor, "K D"]:
    """Cluster frames with Lloyd's iterations from a random sample; an empty cluster restarts at a random frame."""
    offset = common_offset(frames)
    frames = frames - offset
    centers = frames[torch.randperm(len(frames), generator=generator)[:num_clusters]].clone()
    for _ in range(iterations):
        nearest = torch.addmm(centers.square().sum(1), frames, centers.T, alpha=-2).argmin(1)
        sums = torch.zeros_like(centers).index_add_(0, nearest, frames)
        counts = torch.bincount(nearest, minlength=num_clusters)[:, None]
        restart = frames[torch.randint(len(frames), (num_clusters,), generator=generator)]
        centers = torch.where(counts > 0, sums / counts.clamp_min(1), restart)
    return centers + offset
