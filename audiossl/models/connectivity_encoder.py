"""An encoder of BOLD runs: sliding windows become graphs, and a graph network encodes them (arXiv 2105.13495, 2312.01994)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError, DataError
from audiossl.features.connectivity import Sign, adjacency, correlations, cut
from audiossl.lengths import padding_mask
from audiossl.models import hub
from audiossl.models.encoder import Frames
from audiossl.models.gin import GINLayer
from audiossl.models.graph_readout import Readout, make_readout
from audiossl.models.pretrained import Pretrained


@dataclass
class ConnectivityConfig:
    """Sizes of a `ConnectivityEncoder`.

    Attributes:
        window, stride: G and S, in volumes.
        density: share of the pairs of regions that are joined in a window's graph.
        sign: sign of the correlations that are edges, see `adjacency`.
        dim: width D.
        num_layers: GIN layers L.
        readout: map from regions to a window's vector.
        names: nodes enter with what region they are, as published. Without, an encoder knows regions by their connections alone.
        rows: nodes also enter with their row of correlations, not only with what region and what time they are.

    Raises:
        ConfigError: for a size out of range, or nodes that would be alike.

    >>> ConnectivityConfig(window=30, stride=5).readout
    'mean'
    """

    window: int = 50
    stride: int = 16
    density: float = 0.3
    sign: Sign = "signed"
    dim: int = 128
    num_layers: int = 4
    readout: Readout = "mean"
    names: bool = True
    rows: bool = False

    def __post_init__(self) -> None:
        if min(self.window - 2, self.stride, self.dim, self.num_layers) < 1:
            raise ConfigError(f"expected a window of 3 volumes or more, and sizes of 1 or more, got {self}")
        if not self.names and not self.rows:
            raise ConfigError("without names and rows all nodes of a window are alike: set encoder.rows=true")


@dataclass(frozen=True)
class Windows:
    """The windows of a batch of runs, those of all runs in one row; V windows in all.

    Attributes:
        correlation: (V, N, N).
        graphs: (V, N, N), 1 where regions are joined.
        stamps: (V, D), what the recurrent network has seen up to the end of each window.
        valid: (B, K), which places of a padded batch the V windows have, in order: those inside a run that keep half of their
            volumes.
        counts: (B,), places of each run.
    """

    correlation: Float[Tensor, "V N N"]
    graphs: Float[Tensor, "V N N"]
    stamps: Float[Tensor, "V D"]
    valid: Bool[Tensor, "B K"]
    counts: Int[Tensor, "B"]

    def spread(self, values: Float[Tensor, "V *D"]) -> Float[Tensor, "B K *D"]:
        """Put values of windows at their places in the batch, zeros beyond a run; censored places repeat the nearest window."""
        out = values.new_zeros(*self.valid.shape, *values.shape[1:])
        out[self.valid] = values
        if bool((self.valid.sum(1) == self.counts).all()):
            return out
        place = torch.arange(self.valid.shape[1], device=out.device)
        distance = (place[:, None] - place).abs() + (~self.valid[:, None]) * len(place)
        rows = torch.arange(len(out), device=out.device)[:, None]
        is_beyond = padding_mask(self.counts, len(place))
        return out[rows, distance.argmin(2)].masked_fill(is_beyond.reshape(*is_beyond.shape, *[1] * (out.ndim - 2)), 0.0)


class ConnectivityEncoder(Pretrained):
    """Windows of a run as frames: correlation graphs, nodes that know their region and time, and GIN layers with read-outs.

    A node enters as W [one-hot region || eta], where eta is the state of a GRU that ran over the regional series from its first
    volume to the window's last; `ConnectivityConfig` adds its row of correlations and takes its name away. Each region is brought
    to zero mean and unit deviation over the valid volumes first. Frames do not depend on the batch: batch statistics leave out
    padding, and in evaluation none are taken.

    Volumes that are NaN in all regions were censored: they count for no mean and no correlation, and the GRU sees zeros. A
    window with less than half of its volumes kept has no graph; its frame is that of the nearest window with a graph.

    Args:
        regions: names; another atlas is another encoder.
        tr: seconds a volume.
        config: sizes.

    >>> encoder = ConnectivityEncoder(["a", "b", "c", "d"], 2.0, ConnectivityConfig(10, 5, dim=8, num_layers=1))
    >>> frames = encoder(torch.randn(2, 4, 40), torch.tensor([40, 30]))
    >>> frames.last.shape, frames.lengths.tolist()
    (torch.Size([2, 7, 8]), [7, 5])
    """

    min_samples = 1  # of the contract; a run shorter than a window is refused, not padded
    reads_whole = True  # a run is encoded whole, however long: its regions are standardised over it

    def __init__(self, regions: Sequence[str], tr: float, config: ConnectivityConfig | None = None) -> None:
        super().__init__()
        self.regions, self.tr, self.config = tuple(regions), float(tr), config or ConnectivityConfig()
        sizes, count = self.config, len(self.regions)
        self.sample_rate, self.alignment = 1 / self.tr, sizes.stride
        self.frame_rate = self.last_frame_rate = 1 / (sizes.stride * self.tr)
        self.frame_offset = sizes.window * self.tr / 2
        self.dim, self.num_layers = sizes.dim, sizes.num_layers
        self.clock = nn.GRU(count, sizes.dim, batch_first=True)
        self.entry = nn.Linear(count * sizes.names + sizes.dim, sizes.dim)
        self.row_entry = nn.Linear(count, sizes.dim, bias=False) if sizes.rows else None
        self.layers = nn.ModuleList(GINLayer(sizes.dim) for _ in range(sizes.num_layers))
        self.readouts = nn.ModuleList(make_readout(sizes.readout, count, sizes.dim) for _ in range(sizes.num_layers))

    def forward(self, signal: Float[Tensor, "B N T"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch of runs.

        Raises:
            DataError: for another number of regions, a run shorter than a window, or one that is censored throughout.
        """
        windows = self.windows(signal, lengths)
        nodes = self.nodes(windows)
        pooled = [windows.spread(readout(layer)) for readout, layer in zip(self.readouts, nodes, strict=True)]
        frames = Frames.from_layers(pooled, windows.counts)
        frames.regions = windows.spread(nodes[-1])
        return frames

    def windows(self, signal: Float[Tensor, "B N T"], lengths: Int[Tensor, "B"]) -> Windows:
        """Cut runs into windows; errors are those of a call."""
        sizes = self.config
        if signal.shape[1] != len(self.regions):
            raise DataError(f"expected the {len(self.regions)} regions {self.regions[0]} ..., got {signal.shape[1]} rows")
        if int(lengths.min()) < sizes.window:
            raise DataError(f"expected runs of at least {sizes.window} volumes, one window, got {int(lengths.min())}")
        kept = ~padding_mask(lengths, signal.shape[2]) & ~signal.isnan().all(1)
        series = standardised(signal.float(), kept)
        counts = (lengths - sizes.window) // sizes.stride + 1
        valid = torch.arange(int(counts.max()), device=lengths.device) < counts[:, None]
        seen = kept.unfold(1, sizes.window, sizes.stride)[:, : valid.shape[1]]
        valid &= 2 * seen.sum(2) >= sizes.window
        if not bool(valid.any(1).all()):
            raise DataError(f"expected a window of {sizes.window} volumes of which half are not censored in every run, got none")
        seen = None if bool(seen[valid].all()) else seen[valid]
        matrices = correlations(cut(series.detach(), sizes.window, sizes.stride)[:, : valid.shape[1]][valid], seen)
        states, _ = self.clock(series.transpose(1, 2))
        ends = torch.arange(valid.shape[1], device=lengths.device) * sizes.stride + sizes.window - 1
        graphs = adjacency(matrices, sizes.density, sizes.sign).float()
        return Windows(matrices, graphs, states[:, ends][valid], valid, counts)

    def enter(self, windows: Windows, hidden: Bool[Tensor, "V N"] | None = None) -> Float[Tensor, "V N D"]:
        """Node features; correlations with hidden regions are left out of the rows."""
        count, named = len(self.regions), len(self.regions) * self.config.names
        of_region, of_time = self.entry.weight[:, :named].T, self.entry.weight[:, named:]
        nodes = (windows.stamps @ of_time.T + self.entry.bias)[:, None].expand(-1, count, -1)
        nodes = nodes + of_region if self.config.names else nodes
        if self.row_entry is None:
            return nodes
        rows = windows.correlation * (1 - torch.eye(count, device=nodes.device))
        return nodes + self.row_entry(rows if hidden is None else rows.masked_fill(hidden[:, None], 0.0))

    def nodes(
        self, windows: Windows, hidden: Bool[Tensor, "V N"] | None = None, token: Float[Tensor, "D"] | None = None
    ) -> list[Float[Tensor, "V N D"]]:
        """Nodes after every layer; with `hidden` those enter as the token, and neither send nor receive anything."""
        nodes, graphs = self.enter(windows, hidden), windows.graphs
        if hidden is not None:
            nodes = torch.where(hidden[..., None], token if token is not None else torch.zeros_like(nodes[0, 0]), nodes)
            seen = (~hidden).float()
            graphs = graphs * seen[:, None] * seen[:, :, None]
        layers = []
        for layer in self.layers:
            nodes = layer(nodes, graphs)
            layers.append(nodes)
        return layers

    @classmethod
    def from_json(cls, values: dict[str, object]) -> ConnectivityEncoder:
        """Make an untrained encoder from what `to_json` returned."""
        known = cast(dict[str, Any], values)  # of a JSON file
        return cls(known["regions"], known["tr"], ConnectivityConfig(**known["encoder"]))

    def to_json(self) -> dict[str, object]:
        """Describe the input and the sizes."""
        return {"regions": list(self.regions), "tr": self.tr, "encoder": asdict(self.config)}

    def save(self, folder: Path, seen: Mapping[str, object] | None = None) -> None:
        """Save by `hub.save`.

        Args:
            folder: folder that is written.
            seen: description of what the encoder was trained on, kept in `pretrained_on`; nothing for an untrained one.
        """
        hub.save(self, folder, seen or {})

    @classmethod
    def load(cls, folder: Path, regions: Sequence[str] | None = None) -> ConnectivityEncoder:
        """Load by `hub.load`.

        Args:
            folder: folder that was written.
            regions: names of the regions of the data; another atlas is an error.

        Raises:
            StoreError: if a file is missing or damaged, the weights do not fit the config, or it is another encoder.
            DataError: if the regions are others.
        """
        encoder = hub.load_as(cls, folder)
        if regions is not None and tuple(regions) != encoder.regions:
            raise DataError(
                f"{folder} was trained on the {len(encoder.regions)} regions {encoder.regions[0]} ..., the data have the "
                f"{len(regions)} regions {regions[0]} ...: parcellate with its atlas, or train another encoder"
            )
        return encoder


def standardised(series: Float[Tensor, "B N T"], kept: Bool[Tensor, "B T"]) -> Float[Tensor, "B N T"]:
    """Zero mean and unit deviation over kept volumes, zeros at others and in constant regions."""
    left_out = ~kept[:, None]
    count = kept.sum(1).clamp(min=1)[:, None, None].float()
    mean = series.masked_fill(left_out, 0.0).sum(2, keepdim=True) / count
    centred = (series - mean).masked_fill(left_out, 0.0)
    deviation = (centred.square().sum(2, keepdim=True) / count).sqrt()
    return torch.where(deviation > 1e-6 * mean.abs(), centred / deviation.clamp(min=1e-30), 0.0)
