"""A connectivity encoder as a graph: all windows of a padded batch at once, of sizes that are shapes alone."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from audiossl.exporters.onnx_forms import GraphForm
from audiossl.lengths import padding_mask
from audiossl.models.connectivity_encoder import ConnectivityEncoder, Windows, standardised
from audiossl.models.encoder import Frames
from audiossl.models.exporting import is_exporting

FAR = 2**40  # further than any place


class ConnectivityForm(GraphForm):
    """Regional series (B, N, T) enter; volumes that are NaN in all regions were censored, as for the encoder.

    What the encoder computes, for every place of the padded batch: windows beyond a run, and those of which less than half is
    kept, are computed in vain and replaced. A run without any window is not refused: its frames are undefined, its length is 0.
    """

    chooses = True  # edges

    def __init__(self, encoder: ConnectivityEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.smallest, self.step = encoder.config.window, encoder.config.stride
        self.clock = _Clock(encoder.clock)
        self.edges = _Edges(len(encoder.regions), encoder.config.density, encoder.config.sign)

    def forward(self, signal: Float[Tensor, "B N T"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch."""
        sizes, batch = self.encoder.config, signal.shape[0]
        kept = ~padding_mask(lengths, signal.shape[2]) & ~signal.isnan().all(1)
        series = standardised(signal, kept)
        counts = ((lengths - sizes.window) // sizes.stride + 1).clamp_min(0)
        places = (signal.shape[2] - sizes.window) // sizes.stride + 1
        place = torch.arange(places, device=signal.device)
        volume = place[:, None] * sizes.stride + torch.arange(sizes.window, device=signal.device)  # (K, G)
        seen = kept.index_select(1, volume.flatten()).unflatten(1, (places, sizes.window))  # (B, K, G)
        valid = (place < counts[:, None]) & (2 * seen.sum(2) >= sizes.window)
        cut = series.index_select(2, volume.flatten()).unflatten(2, (places, sizes.window))
        cut = cut.transpose(1, 2).flatten(0, 1)  # (B K, N, G)
        correlation = _correlations(cut, seen.flatten(0, 1))
        states = self.clock(series.transpose(1, 2))
        stamps = states.index_select(1, volume[:, -1]).flatten(0, 1)
        nodes = self.encoder.nodes(Windows(correlation, self.edges(correlation), stamps, valid, counts))
        nearest = _nearest(valid)
        beyond = padding_mask(counts, places)[:, :, None]
        layers = []
        for readout, layer in zip(self.encoder.readouts, nodes, strict=True):
            vectors = readout(layer).unflatten(0, (batch, places))
            vectors = vectors.gather(1, nearest[:, :, None].expand(-1, -1, vectors.shape[2]))
            layers.append(vectors.masked_fill(beyond, 0.0))
        return Frames.from_layers(layers, counts)


class _Clock(nn.Module):
    """A GRU; in graphs by the operator that ONNX has for it, where torch would write out a loop over the volumes."""

    entering: Tensor
    recurring: Tensor
    bias: Tensor

    def __init__(self, clock: nn.GRU) -> None:
        super().__init__()
        self.clock, self.dim = clock, clock.hidden_size
        state = {name: _reordered(value.detach()) for name, value in clock.state_dict().items()}
        self.register_buffer("entering", state["weight_ih_l0"][None])
        self.register_buffer("recurring", state["weight_hh_l0"][None])
        self.register_buffer("bias", torch.cat([state["bias_ih_l0"], state["bias_hh_l0"]])[None])

    def forward(self, series: Float[Tensor, "B T N"]) -> Float[Tensor, "B T D"]:
        if not is_exporting():
            return self.clock(series)[0]
        shape = (series.shape[1], 1, series.shape[0], self.dim)
        states = torch.onnx.ops.symbolic(
            "GRU",
            (series.transpose(0, 1), self.entering, self.recurring, self.bias),
            {"hidden_size": self.dim, "linear_before_reset": 1},
            dtype=series.dtype,
            shape=shape,
        )
        return states[:, 0].transpose(0, 1)


def _reordered(weight: Tensor) -> Tensor:
    """torch has the reset gate first, ONNX the update gate."""
    reset, update, new = weight.chunk(3)
    return torch.cat([update, reset, new])


def _correlations(cut: Float[Tensor, "V N G"], seen: Bool[Tensor, "V G"]) -> Float[Tensor, "V N N"]:
    """Pearson correlations over the volumes that are seen; a constant region correlates with nothing."""
    left_out = ~seen[:, None]
    count = seen.sum(1).clamp_min(1)[:, None, None].float()
    cut = cut.masked_fill(left_out, 0.0)
    centred = (cut - cut.sum(2, keepdim=True) / count).masked_fill(left_out, 0.0)
    norm, size = (x.square().sum(2, keepdim=True).sqrt() for x in (centred, cut))
    usable = norm > 1e-6 * size
    rows = torch.where(usable, centred / torch.where(usable, norm, 1.0), 0.0)
    return (rows @ rows.mT).clamp(-1, 1)


class _Edges(nn.Module):
    """What `adjacency` joins; the threshold by sorting, for ONNX knows no other order statistic."""

    below: Tensor
    pair: Tensor
    apart: Tensor

    def __init__(self, num_regions: int, density: float, sign: str) -> None:
        super().__init__()
        rows, columns = torch.tril_indices(num_regions, num_regions, -1)
        pair = torch.zeros(num_regions, num_regions, dtype=torch.int64)
        pair[rows, columns] = pair[columns, rows] = torch.arange(len(rows))
        self.register_buffer("below", rows * num_regions + columns)  # places of the pairs in a matrix
        self.register_buffer("pair", pair.flatten())  # pair at every place
        self.register_buffer("apart", ~torch.eye(num_regions, dtype=torch.bool))
        self.sign, self.count, self.size = sign, round(density * len(rows)), num_regions

    def forward(self, matrix: Float[Tensor, "V N N"]) -> Float[Tensor, "V N N"]:
        values = matrix.flatten(1).index_select(1, self.below)
        values = values.abs() if self.sign == "absolute" else -values if self.sign == "negative" else values
        if self.count >= values.shape[1]:
            return self.apart.float().expand(matrix.shape[0], -1, -1)
        threshold = values.topk(self.count + 1, dim=1).values[:, -1:]
        joined = (values > threshold).index_select(1, self.pair).unflatten(1, (self.size, self.size))
        return (joined & self.apart).float()


def _nearest(valid: Bool[Tensor, "B K"]) -> Int[Tensor, "B K"]:
    """The nearest valid place of each place, the first of two."""
    place = torch.arange(valid.shape[1], device=valid.device)
    return torch.where(valid[:, None], (place[:, None] - place).abs(), FAR).argmin(2)
