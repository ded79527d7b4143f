"""Pseudo-labels: train on one's own confident predictions (Lee 2013)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from audiossl.objectives.fixmatch import FixMatchConfig
from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import SemiObjective, Terms, mean_where


@dataclass
class PseudoLabelConfig(FixMatchConfig):
    """Head, weight, ramp and threshold.

    >>> PseudoLabelConfig().ramp_steps
    100
    """

    ramp_steps: int = 100


class PseudoLabel(SemiObjective):
    """Cross entropy of the weak view with its own class, where that is confident; a mean over all, used or not.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> PseudoLabel(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 2).config.threshold
    0.95
    """

    Config = PseudoLabelConfig
    config: PseudoLabelConfig

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Cross entropy of the weak view with its own confident classes."""
        logits, valid = self.classify(batch.unlabelled.weak)
        with torch.no_grad():
            confidence, pseudo = logits.softmax(2).max(2)
            used = (confidence >= self.config.threshold) & valid
        loss = functional.cross_entropy(logits.flatten(0, 1), pseudo.flatten(), reduction="none").view_as(pseudo)
        return {"pseudo": mean_where(loss * used, valid)}, self.measure(pseudo, used, valid, batch.truth)
