"""Tagging: which of many sounds occur in a clip, any number of them at once (arXiv 2510.25955)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.lengths import padding_mask
from audiossl.models.encoder import Encoder
from audiossl.objectives.labelled_batch import LabelledBatch
from audiossl.objectives.loss import Loss
from audiossl.objectives.mixup import mix_up
from audiossl.objectives.tuned_encoder import TunedObjective, TuningConfig


@dataclass
class TaggingConfig(TuningConfig):
    """Options of the head.

    Attributes:
        mixup: probability of a clip to be mixed with another in training.
        mixup_alpha: of the Beta distribution of the shares.
    """

    mixup: float = 0.5
    mixup_alpha: float = 10.0


class Tagging(TunedObjective):
    """Mean over valid frames, dropout and a linear layer; binary cross-entropy of every tag.

    `Loss.total` sums over clips the cross-entropy averaged over tags; `Loss.weight` counts clips.

    Args:
        encoder: meets the `Encoder` protocol; its final output is read.
        num_tags: tags.
        config: options.
    """

    def __init__(self, encoder: Encoder, num_tags: int, config: TaggingConfig | None = None) -> None:
        config = config or TaggingConfig()
        super().__init__(encoder, config)
        self.config = config
        self.head = nn.ModuleDict({"output": nn.Linear(encoder.dim, num_tags)})
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, batch: LabelledBatch) -> Loss:
        """Mix up in training, encode and compare with the tags."""
        signal, targets = batch.signal, batch.targets.float()
        if self.training:
            signal, targets = mix_up(
                signal, batch.lengths, targets, batch.ids, batch.seed, batch.epoch, self.config.mixup, self.config.mixup_alpha
            )
        logits = self.logits(replace(batch, signal=signal))
        error = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
        return Loss(error.sum(), float(len(error)))

    def logits(self, batch: LabelledBatch) -> Float[Tensor, "B K"]:
        """Log-odds of every tag, in float32."""
        frames, lengths = self.encoder(batch)
        with torch.autocast(frames.device.type, enabled=False):
            frames = frames.float().masked_fill(padding_mask(lengths, frames.shape[1])[:, :, None], 0.0)
            pooled = frames.sum(dim=1) / lengths[:, None]
            return self.head["output"](self.dropout(pooled))

    @torch.no_grad()
    def predict(self, batch: LabelledBatch) -> list[list[float]]:
        """Log-odds of every tag for each item; they rank clips as probabilities do, and never saturate."""
        return self.logits(batch).cpu().tolist()
