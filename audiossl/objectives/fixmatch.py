"""FixMatch: confident pseudo-labels of a weak view for a strong one (arXiv 2001.07685)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import SemiConfig, SemiObjective, Terms, mean_where, turned


@dataclass
class FixMatchConfig(SemiConfig):
    """Head, weight and threshold.

    Attributes:
        threshold: probability from which on a pseudo-label is used; above 1 none is.

    >>> FixMatchConfig().threshold
    0.95
    """

    threshold: float = 0.95


class FixMatch(SemiObjective):
    """The strong view is to have the class of the weak one, where that is confident; a mean over all, used or not (eq. 4).

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> FixMatch(encoder, 2, FixMatchConfig(threshold=0.8)).config.threshold
    0.8
    """

    Config = FixMatchConfig
    config: FixMatchConfig

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Cross entropy of the first strong view with confident classes of the weak one."""
        views = batch.unlabelled
        with torch.no_grad():
            logits, valid = self.classify(views.weak)
            confidence, pseudo = logits.softmax(2).max(2)
            used = (confidence >= self.config.threshold) & valid
        strong, _ = self.classify(views.strong[0])
        target = turned(pseudo, views.moves[0])
        loss = functional.cross_entropy(strong.flatten(0, 1), target.flatten(), reduction="none").view_as(target)
        where = turned(used, views.moves[0])
        term = mean_where(loss * where, turned(valid, views.moves[0]))
        return {"consistency": term}, self.measure(pseudo, used, valid, batch.truth)
