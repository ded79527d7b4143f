"""A pre-trained encoder under a head: frozen at first, its features changed by SpecAugment."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.encoder import Encoder
from audiossl.models.student import FeatureStudent
from audiossl.objectives.labelled_batch import LabelledBatch
from audiossl.objectives.objective import Objective
from audiossl.objectives.specaugment import SpecAugmentConfig, spec_augment

_log = logging.getLogger(__name__)


@dataclass
class TuningConfig:
    """How the encoder takes part; defaults are those of SPEAR (arXiv 2510.25955).

    Attributes:
        freeze_steps: updates at the start in which only the head learns.
        dropout: before the linear layer of the head.
        spec_augment: masks on features; an encoder without `compute_features` and `forward_features` goes without.
    """

    freeze_steps: int = 2000
    dropout: float = 0.1
    spec_augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)


class TunedObjective(Objective):
    """A head on a pre-trained encoder, trained on labels; subclasses set `head` and define `forward` and `predict`.

    Args:
        encoder: meets the `Encoder` protocol; its final output is read.
        config: options.

    Attributes:
        encoder: with what is done to it in training.
        head: what is trained next to it; a module named `output` is its last layer.
    """

    head: nn.ModuleDict

    def __init__(self, encoder: Encoder, config: TuningConfig) -> None:
        super().__init__()
        self.tuning = config
        self.encoder: TunedEncoder = TunedEncoder(encoder, config)

    def before_step(self, step: int, seconds: float) -> None:
        """Say to the encoder how many updates were made."""
        self.encoder.before_step(step, seconds)

    @property
    def left_out(self) -> dict[str, str]:
        """Items that were left out of the loss so far, with the reason."""
        return {}

    def predict(self, batch: LabelledBatch) -> list[list[int]] | list[list[float]]:
        """What the head says of each item."""
        raise NotImplementedError


class TunedEncoder(nn.Module):
    """Final frames of an encoder, with a gradient once `freeze_steps` updates are over.

    While it is frozen the encoder runs in evaluation mode, so that neither weights nor running statistics change. The loop has to
    call `before_step` with the number of updates made.
    """

    def __init__(self, encoder: Encoder, config: TuningConfig) -> None:
        super().__init__()
        self.model: Any = encoder
        self.model.requires_grad_(True)  # teachers come without
        self.config = config
        self.is_frozen = config.freeze_steps > 0
        self.takes_features = isinstance(encoder, FeatureStudent)
        if config.spec_augment.probability > 0 and not self.takes_features:
            _log.warning("%s shows no features: it is fine-tuned without SpecAugment", type(encoder).__name__)

    def before_step(self, step: int, seconds: float) -> None:
        """Freeze or thaw for the update that follows `step` others."""
        self.is_frozen = step < self.config.freeze_steps
        self.model.requires_grad_(not self.is_frozen)  # without a gradient, not with a zero one, by which AdamW would decay
        if self.is_frozen:
            self.model.eval()

    def forward(self, batch: LabelledBatch) -> tuple[Float[Tensor, "B T D"], Int[Tensor, "B"]]:
        """Encode a batch; signals too short for one frame are padded with zeros until they give one."""
        signal, lengths = batch.signal, batch.lengths.clamp(min=self.model.min_samples)
        signal = F.pad(signal, (0, max(0, int(lengths.max()) - signal.shape[2])))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            if self.takes_features and self.training and self.config.spec_augment.probability > 0:
                with torch.no_grad(), torch.autocast(signal.device.type, enabled=False):
                    features, sizes = self.model.compute_features(signal, lengths)
                    features = spec_augment(features, sizes, batch.ids, batch.seed, batch.epoch, self.config.spec_augment)
                frames = self.model.forward_features(features, sizes)
            else:
                frames = self.model(signal, lengths)
        return frames.last, frames.last_lengths
