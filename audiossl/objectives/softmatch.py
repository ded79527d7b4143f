"""SoftMatch: pseudo-labels weighted by a Gaussian of their confidence (arXiv 2301.10921)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.class_alignment import ClassAlignment, of_all_ranks
from audiossl.objectives.semi_batch import SemiBatch
from audiossl.objectives.semi_objective import SemiConfig, SemiObjective, Terms, mean_where, turned


@dataclass
class SoftMatchConfig(SemiConfig):
    """Head, weight, and how weights follow confidence.

    Attributes:
        momentum: share of the running mean, variance and class distribution that is kept in each step.
        num_sigmas: n: the weight falls as exp(-(c - mean)^2 n^2 / (2 variance)) below the mean.
        align: whether the distribution of classes is made uniform before confidence is read.

    Raises:
        ConfigError: for a momentum that is not from 0 to 1.

    >>> SoftMatchConfig().num_sigmas
    2.0
    """

    momentum: float = 0.99
    num_sigmas: float = 2.0
    align: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum <= 1 or self.num_sigmas <= 0:
            raise ConfigError(f"expected momentum of 0 to 1 and num_sigmas above 0, got {self.momentum}, {self.num_sigmas}")


class SoftMatch(SemiObjective):
    """Every pseudo-label counts: by 1 above the running mean of confidence, and less the further it is below.

    Mean, variance and the distribution of classes are those of the batches of all ranks; they are saved with the weights.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> objective = SoftMatch(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), 4)
    >>> float(objective.mean), float(objective.variance)
    (0.25, 1.0)
    """

    Config = SoftMatchConfig
    config: SoftMatchConfig
    mean: Tensor
    variance: Tensor

    def __init__(self, encoder: Encoder, num_classes: int, config: SemiConfig | None = None, *, frame_wise: bool = False) -> None:
        super().__init__(encoder, num_classes, config, frame_wise=frame_wise)
        self.register_buffer("mean", torch.tensor(1.0 / num_classes))
        self.register_buffer("variance", torch.tensor(1.0))
        self.alignment = ClassAlignment(num_classes, self.config.momentum)

    def learn_unlabelled(self, batch: SemiBatch) -> Terms:
        """Weighted cross entropy of the first strong view with the class of the weak one."""
        views = batch.unlabelled
        logits, valid = self.classify(views.weak)
        probabilities = logits.detach().softmax(2)
        if self.training:
            self._follow(of_all_ranks(probabilities, valid))
        pseudo = probabilities.argmax(2)
        weight = weights_of(self._aligned(probabilities).amax(2), self.mean, self.variance, self.config.num_sigmas) * valid
        strong, _ = self.classify(views.strong[0])
        target = turned(pseudo, views.moves[0])
        loss = functional.cross_entropy(strong.flatten(0, 1), target.flatten(), reduction="none").view_as(target)
        term = mean_where(loss * turned(weight, views.moves[0]), turned(valid, views.moves[0]))
        return {"consistency": term}, self.measure(pseudo, (weight > 0.5) & valid, valid, batch.truth)

    @torch.no_grad()
    def _follow(self, probabilities: Float[Tensor, "N K"]) -> None:
        """Follow the classes and confidences of a batch."""
        if len(probabilities) < 2:
            return
        self.alignment.follow(probabilities)
        step = 1 - self.config.momentum
        confidence = self._aligned(probabilities).amax(-1)
        self.mean.lerp_(confidence.mean(), step)
        self.variance.lerp_(confidence.var(), step)

    def _aligned(self, probabilities: Float[Tensor, "*B K"]) -> Float[Tensor, "*B K"]:
        return self.alignment(probabilities) if self.config.align else probabilities


def weights_of(
    confidence: Float[Tensor, "*B"], mean: Float[Tensor, ""], variance: Float[Tensor, ""], num_sigmas: float
) -> Float[Tensor, "*B"]:
    """Weights of pseudo-labels: 1 from the mean on, a Gaussian below.

    >>> weights_of(torch.tensor([0.9, 0.5, 0.4]), torch.tensor(0.5), torch.tensor(0.01), 1.0)
    tensor([1.0000, 1.0000, 0.6065])
    """
    below = (confidence - mean).clamp(max=0.0)
    return torch.exp(-below.square() * num_sigmas**2 / (2 * variance.clamp(min=1e-12)))
