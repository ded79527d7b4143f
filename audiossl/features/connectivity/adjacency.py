"""Graphs of the strongest connections."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.features.connectivity.vectors import from_vector, vectorise

Sign = Literal["signed", "absolute", "negative"]


def adjacency(matrix: Float[Tensor, "*B N N"], density: float = 0.3, sign: Sign = "signed") -> Bool[Tensor, "*B N N"]:
    """Join the pairs of regions with the highest values; nothing is joined to itself.

    The threshold is taken over the N (N - 1) / 2 pairs, without the diagonal, and edges lie above it, so the density is met to
    within one pair unless values are equal.

    Args:
        matrix: connectivity, symmetric.
        density: share of the pairs.
        sign: quantity that is high: `signed` the value itself, so that anticorrelations never are edges; `absolute` its size;
            `negative` the most negative values, for a second relation next to `signed`.

    Raises:
        ConfigError: for another sign, or a density outside 0 to 1.

    >>> matrix = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
    >>> adjacency(matrix, density=0.34).nonzero().tolist()
    [[0, 1], [1, 0]]
    """
    if sign not in get_args(Sign) or not 0 < density < 1:
        raise ConfigError(f"expected a density between 0 and 1 and a sign of {get_args(Sign)}, got {density} and {sign!r}")
    values = vectorise(matrix)
    values = values.abs() if sign == "absolute" else -values if sign == "negative" else values
    num_pairs = values.shape[-1]
    below = num_pairs - round(density * num_pairs)
    if below < 1:
        return from_vector(torch.ones_like(values, dtype=torch.bool), 0.0)
    threshold = values.kthvalue(below, dim=-1, keepdim=True).values
    return from_vector(values > threshold, 0.0)
