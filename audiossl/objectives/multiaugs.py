"""MultiAugs: several strong views regress what the network makes of the weak one (arXiv 2402.11566)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from audiossl.errors import ConfigError
from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import SemiConfig, SemiObjective, Terms, mean_where, turned


@dataclass
class MultiAugsConfig(SemiConfig):
    """Head, weight, paths and threshold.

    Attributes:
        paths: K: strong views that are used; batches must bring as many.
        threshold: probability from which on a target is used; 0 uses all.

    Raises:
        ConfigError: for no path.

    >>> MultiAugsConfig().paths
    2
    """

    paths: int = 2
    threshold: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.paths < 1:
            raise ConfigError(f"expected paths of at least 1, got {self.paths}")


class MultiAugs(SemiObjective):
    """Half the squared distance of class probabilities, **summed** over K strong views; the target has no gradient.

    The paper regresses heat maps of joints, which move with the picture. Here classes take the place of joints, and a view that
    is turned round in time has its targets turned likewise. This is its variant with one network.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> MultiAugs(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 2).config.paths
    2
    """

    Config = MultiAugsConfig
    config: MultiAugsConfig

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Squared distances of all paths from the weak view.

        Raises:
            ConfigError: if a batch brings fewer strong views than there are paths.
        """
        views, paths = batch.unlabelled, self.config.paths
        if len(views.strong) < paths:
            raise ConfigError(
                f"paths={paths} needs as many strong views, and the batches bring {len(views.strong)}: raise pairs.strong"
            )
        with torch.no_grad():
            logits, valid = self.classify(views.weak)
            target = logits.softmax(2)
            used = valid & (target.amax(2) >= self.config.threshold)
        terms = {}
        for number, (view, move) in enumerate(zip(views.strong[:paths], views.moves, strict=False)):
            strong, _ = self.classify(view)
            error = 0.5 * (strong.softmax(2) - turned(target, move)).square().sum(2)
            terms[f"path_{number}"] = mean_where(error * turned(used, move), turned(valid, move))
        return terms, self.measure(target.argmax(2), used, valid, batch.truth)
