"""Mappers that predict the representation of a view from that of the signal (arXiv 2510.22655, section 2 and its ablations)."""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from audiossl.errors import ConfigError

MapperKind = Literal["conv", "linear", "mlp", "random"]


class ConvMapper(nn.Module):
    """A convolution and a transposed one over the coordinates of the vector, as published: 449 parameters at 64 channels.

    Each output sees three to five neighbouring coordinates, so their order matters.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.down = nn.Conv1d(1, channels, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose1d(channels, 1, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Map vectors of even width."""
        return self.up(self.down(x[:, None]).relu())[:, 0]


def make_mapper(kind: str, dim: int) -> nn.Module:
    """Make a mapper of vectors of width `dim`.

    `mlp` has one hidden layer of the same width; `random` is the same and stays untrained: a control for the effect of a
    non-linear expansion of the same vector by itself.

    Raises:
        ConfigError: for another kind, or a width that it cannot take.
    """
    if kind not in get_args(MapperKind):
        raise ConfigError(f"there is no mapper '{kind}'; choose one of {', '.join(get_args(MapperKind))}")
    if kind == "conv":
        if dim % 2:
            raise ConfigError(f"the conv mapper needs an even width, got {dim}")
        return ConvMapper()
    if kind == "linear":
        return nn.Linear(dim, dim)
    mapper = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
    return mapper.requires_grad_(kind == "mlp")
