"""Supervised learning on BOLD runs: a graph encoder with attention over windows and a head for each layer (arXiv 2105.13495)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from audiossl.lengths import padding_mask
from audiossl.models.connectivity_encoder import ConnectivityEncoder
from audiossl.models.temporal_transformer import TemporalTransformer
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Needs, Objective
from audiossl.objectives.window_batch import WindowBatch
from audiossl.objectives.window_labels import LabelledWindowBatch

TimePool = Literal["mean", "transformer"]


class ConnectivityLabels(Objective[ConnectivityEncoder, LabelledWindowBatch]):
    """Cross entropy of a run's class, or squared error of its standardised quantity.

    Every layer's windows are pooled over time, by their mean or a Transformer; the layers' logits are added after a dropout.

    Args:
        encoder: trained further.
        num_classes: K, 0 for a quantity.
        time_pool: over windows.
        dropout: of logits.
        orthogonality: weight of the penalty on regions of a window that are alike, summed over layers.
        mean, deviation: of the quantity on the training side.
    """

    needs = Needs.LABELS

    def __init__(
        self,
        encoder: ConnectivityEncoder,
        num_classes: int,
        time_pool: TimePool = "mean",
        dropout: float = 0.5,
        orthogonality: float = 1e-5,
        mean: float = 0.0,
        deviation: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder, self.num_classes, self.orthogonality = encoder, num_classes, orthogonality
        self.mean, self.deviation = mean, deviation
        self.heads = nn.ModuleList(nn.Linear(encoder.dim, num_classes or 1) for _ in range(encoder.num_layers))
        self.pools = nn.ModuleList(
            TemporalTransformer(encoder.dim) for _ in range(encoder.num_layers if time_pool == "transformer" else 0)
        )
        self.dropout = nn.Dropout(dropout if num_classes else 0.0)

    def forward(self, batch: LabelledWindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its runs."""
        logits, alike = self._logits(batch.windows)
        count = len(batch.y)
        penalty = self.orthogonality * alike * count
        if not self.num_classes:
            error = (logits[:, 0] - (batch.y - self.mean) / self.deviation).square().sum()
            return Loss(error + penalty, float(count))
        right = (logits.argmax(1) == batch.y).sum().float()
        error = functional.cross_entropy(logits, batch.y, reduction="sum")
        return Loss(error + penalty, float(count), {"accuracy": Ratio(right, count)})

    @torch.no_grad()
    def answer(self, batch: WindowBatch) -> Shaped[Tensor, "B"]:
        """The most probable class of each run, or the quantity in its unit."""
        logits, _ = self._logits(batch)
        return logits.argmax(1) if self.num_classes else logits[:, 0] * self.deviation + self.mean

    def _logits(self, batch: WindowBatch) -> tuple[Float[Tensor, "B K"], Float[Tensor, ""]]:
        windows = self.encoder.windows(batch.signal, batch.lengths)
        layers = self.encoder.nodes(windows)
        valid = ~padding_mask(windows.counts, windows.valid.shape[1])
        logits = torch.zeros(len(batch.lengths), self.num_classes or 1, device=batch.signal.device)
        alike = torch.zeros((), device=batch.signal.device)
        for index, (nodes, readout, head) in enumerate(zip(layers, self.encoder.readouts, self.heads, strict=True)):
            vectors = windows.spread(readout(nodes))
            pooled = self.pools[index](vectors, valid) if self.pools else vectors.sum(1) / valid.sum(1, keepdim=True)
            logits = logits + self.dropout(head(pooled)).float()
            alike = alike + likeness(nodes)
        return logits, alike


def likeness(nodes: Float[Tensor, "V N D"]) -> Float[Tensor, ""]:
    """Norm of the upper triangle of H H^T, rows divided by their maximum, minus the identity; the mean over windows."""
    with torch.autocast(nodes.device.type, enabled=False):
        gram = nodes.float() @ nodes.float().mT
        scaled = gram / gram.amax(2, keepdim=True).clamp(min=1e-12) - torch.eye(nodes.shape[1], device=nodes.device)
        return scaled.triu().square().sum((1, 2)).clamp(min=1e-24).sqrt().mean()
