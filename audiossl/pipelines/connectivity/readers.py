"""How a model turns series of regions into vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.features.connectivity import correlation, fisher_z, vectorise
from audiossl.models.connectivity_encoder import ConnectivityEncoder

Vectors = Callable[[Float[Tensor, "P N T"]], dict[str, Float[Tensor, "P _"]]]


@dataclass(frozen=True)
class Reader:
    """How a model turns series into vectors.

    Attributes:
        vectors: of series of one length (P, N, T), by variant; the empty name is the model itself.
        regions: of one series (N, T), by variant: (N, D).
        measured: what was measured on the way.
    """

    vectors: Vectors
    regions: Callable[[Float[Tensor, "N T"]], dict[str, Float[Tensor, "N _"]]]
    measured: Mapping[str, float] = field(default_factory=dict)


def kept_correlation(series: Float[Tensor, "*B N T"]) -> Float[Tensor, "*B N N"]:
    """Correlation over the volumes that were not censored."""
    censored = series.isnan().all(-2)
    return correlation(series.nan_to_num(), ~censored) if bool(censored.any()) else correlation(series)


def of_correlations() -> Reader:
    """Correlations of regions, Fisher z."""
    return Reader(
        lambda series: {"": vectorise(fisher_z(kept_correlation(series)))},
        lambda series: {"": fisher_z(kept_correlation(series)) * (1 - torch.eye(len(series)))},
    )


def of_matrices() -> Reader:
    """Matrices that came in the place of series, as they are."""
    return Reader(lambda series: {"": vectorise(series)}, lambda series: {"": series * (1 - torch.eye(len(series)))})


def of_encoder(encoder: ConnectivityEncoder) -> Reader:
    """Nodes of the last layer, and `pooled`, the read-outs of all layers; averaged over windows."""
    encoder.eval().cpu()

    def vectors(series: Float[Tensor, "P N T"]) -> dict[str, Tensor]:
        pooled, nodes = frames_of(encoder, series)
        return {"": nodes.flatten(1), "pooled": pooled}

    return Reader(vectors, lambda series: {"": frames_of(encoder, series[None])[1][0]})


@torch.no_grad()
def frames_of(encoder: ConnectivityEncoder, series: Float[Tensor, "P N T"]) -> tuple[Tensor, Tensor]:
    """Read-outs of all layers and nodes of the last, averaged over windows: (P, L D) and (P, N, D)."""
    frames = encoder(series, torch.full((len(series),), series.shape[2]))
    assert frames.regions is not None
    return torch.cat([layer.mean(1) for layer in frames.layers], dim=1), frames.regions.mean(1)
