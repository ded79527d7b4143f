"""Decoders of node embeddings: MLP-Mixer, MLP and GIN; dropped after pre-training."""

from __future__ import annotations

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.gin import GINLayer

DecoderKind = Literal["mixer", "mlp", "gin"]


def make_decoder(kind: str, num_regions: int, dim: int, num_out: int) -> nn.Module:
    """Make a decoder; it is called with nodes (G, N, D) and graphs (G, N, N) and gives (G, N, num_out).

    Raises:
        ConfigError: for another name.
    """
    if kind not in get_args(DecoderKind):
        raise ConfigError(f"expected a decoder of {', '.join(get_args(DecoderKind))}, got {kind!r}")
    return {"mixer": MixerDecoder, "mlp": MLPDecoder, "gin": GINDecoder}[kind](num_regions, dim, num_out)


class MixerDecoder(nn.Module):
    """One block of an MLP-Mixer (arXiv 2105.01601) over regions in fixed order, and a linear map. Its weights know the atlas."""

    def __init__(self, num_regions: int, dim: int, num_out: int) -> None:
        super().__init__()
        self.norm_regions, self.norm_channels = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.regions = nn.Sequential(nn.Linear(num_regions, num_regions), nn.GELU(), nn.Linear(num_regions, num_regions))
        self.channels = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.head = nn.Linear(dim, num_out)

    def forward(self, nodes: Float[Tensor, "G N D"], graphs: Float[Tensor, "G N N"]) -> Float[Tensor, "G N O"]:
        """Decode; the graphs are not looked at."""
        nodes = nodes + self.regions(self.norm_regions(nodes).mT).mT
        return self.head(nodes + self.channels(self.norm_channels(nodes)))


class MLPDecoder(nn.Module):
    """Two linear layers on each node by itself."""

    def __init__(self, num_regions: int, dim: int, num_out: int) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(dim, dim), nn.Linear(dim, num_out)

    def forward(self, nodes: Float[Tensor, "G N D"], graphs: Float[Tensor, "G N N"]) -> Float[Tensor, "G N O"]:
        """Decode; the graphs are not looked at."""
        return self.head(functional.gelu(self.hidden(nodes)))


class GINDecoder(nn.Module):
    """One GIN layer along the visible graph and a linear map, as in GraphMAE (arXiv 2205.10803)."""

    def __init__(self, num_regions: int, dim: int, num_out: int) -> None:
        super().__init__()
        self.layer, self.head = GINLayer(dim), nn.Linear(dim, num_out)

    def forward(self, nodes: Float[Tensor, "G N D"], graphs: Float[Tensor, "G N N"]) -> Float[Tensor, "G N O"]:
        """Decode."""
        return self.head(self.layer(nodes, graphs))
