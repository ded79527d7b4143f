"""Which regions of a window are hidden from the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Bool
from torch import Tensor

from audiossl.errors import ConfigError

MaskKind = Literal["random", "block", "network"]


def hide_regions(
    num_windows: int, num_regions: int, ratio: float, kind: str, networks: Sequence[int] | None, device: torch.device
) -> Bool[Tensor, "V N"]:
    """Draw the hidden regions of each window from the global random state, about `ratio` of them, at least one and not all.

    `random` draws regions by themselves, `block` a stretch of the atlas's order, which is a network or a pair of homologous
    regions as the atlas has it, and `network` whole networks of a label table, until the ratio is reached.

    Raises:
        ConfigError: for another kind, or `network` without labels.
    """
    if kind not in get_args(MaskKind) or (kind == "network" and networks is None):
        raise ConfigError(f"expected a mask kind of {get_args(MaskKind)}, network with labels of regions, got {kind!r}")
    count = min(max(1, round(ratio * num_regions)), num_regions - 1)
    if kind == "block":
        first = torch.randint(num_regions, (num_windows, 1), device=device)
        return (torch.arange(num_regions, device=device) - first) % num_regions < count
    order = torch.rand(num_windows, num_regions, device=device)
    if kind == "network":
        labels = torch.as_tensor(networks, device=device)
        # Regions of one network come together, networks in random order.
        turn = torch.rand(num_windows, int(labels.max()) + 1, device=device).argsort(1)
        order = turn[:, labels] + order
    places = order.argsort(1).argsort(1)
    return places < count
