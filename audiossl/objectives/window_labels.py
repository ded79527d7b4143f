"""Supervised learning on windows: an encoder with a linear head for a class or a quantity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from audiossl.models.encoder import Encoder
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.objective import Needs, Objective
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class LabelledWindowBatch:
    """Windows with a class (int64) or a quantity (float32) each."""

    windows: WindowBatch
    y: Shaped[Tensor, "B"]

    @property
    def seconds(self) -> float:
        """Seconds of signal without padding."""
        return self.windows.seconds

    def to(self, device: torch.device) -> LabelledWindowBatch:
        """Move to a device."""
        return LabelledWindowBatch(self.windows.to(device), self.y.to(device))


class WindowLabels(Objective[Encoder, LabelledWindowBatch]):
    """Cross entropy for classes, squared error of the standardised quantity otherwise.

    Args:
        encoder: trained further.
        num_classes: K, 0 for a quantity.
        mean, deviation: of the quantity on the training side.
    """

    needs = Needs.LABELS

    def __init__(self, encoder: Encoder, num_classes: int, mean: float = 0.0, deviation: float = 1.0) -> None:
        super().__init__()
        self.encoder = encoder
        self.num_classes, self.mean, self.deviation = num_classes, mean, deviation
        self.head = nn.Linear(encoder.dim, num_classes or 1)

    def forward(self, batch: LabelledWindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows."""
        logits = self._logits(batch.windows)
        count = len(batch.y)
        if not self.num_classes:
            total = (logits[:, 0] - (batch.y - self.mean) / self.deviation).square().sum()
            return Loss(total, float(count))
        right = (logits.argmax(1) == batch.y).sum().float()
        total = functional.cross_entropy(logits, batch.y, reduction="sum")
        return Loss(total, float(count), {"accuracy": Ratio(right, count)})

    @torch.no_grad()
    def answer(self, batch: WindowBatch) -> Shaped[Tensor, "B"]:
        """The most probable class, or the quantity in its unit."""
        logits = self._logits(batch)
        return logits.argmax(1) if self.num_classes else logits[:, 0] * self.deviation + self.mean

    def _logits(self, batch: WindowBatch) -> Float[Tensor, "B K"]:
        return self.head(mean_frame(self.encoder(batch.signal, batch.lengths))).float()
