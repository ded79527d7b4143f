"""BYOL: predict a slowly moving copy of oneself (arXiv 2006.07733)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.loss import Loss
from audiossl.objectives.moving_average import follow, in_the_mode_of, momentum_at
from audiossl.objectives.option_checks import require_same_width
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.two_views import TwoViewConfig, TwoViews, mlp
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class BYOLConfig(TwoViewConfig):
    """Views and heads.

    Attributes:
        predictor: widths of the predictor's layers after the projector's.
        momentum: m_0 of the target; it rises to 1 along a cosine over `momentum_steps` updates.
        momentum_steps: K of that schedule; 0 keeps m_0.

    Raises:
        ConfigError: for widths that do not fit, or a momentum out of range.

    >>> BYOLConfig(momentum=0.99, momentum_steps=1000).predictor
    [512, 128]
    """

    projector: list[int] = field(default_factory=lambda: [512, 128])
    batch_norm: bool = True
    predictor: list[int] = field(default_factory=lambda: [512, 128])
    momentum: float = 0.996
    momentum_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_same_width(self.projector, self.predictor)
        if not 0 <= self.momentum <= 1 or self.momentum_steps < 0:
            raise ConfigError(
                f"expected a momentum of 0 to 1 and momentum_steps of at least 0, got {self.momentum} and {self.momentum_steps}"
            )


class BYOL(TwoViews):
    """The online network predicts the target's embedding of the other view; the target is its moving average, buffers included.

    No negatives; batch normalisation wants 32 windows or more. In training the target's norms are of the batch too, as in the
    authors' code. Nothing is gathered: the loss of a window depends on others of its rank by norms alone.

    Args:
        encoder: encoder of the windows, which is trained; the target is a copy of it.
        config: views and heads.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> loss = BYOL(encoder, BYOLConfig(projector=[16], predictor=[16]))(WindowBatch.of(torch.randn(4, 6, 64)))
    >>> loss.weight, sorted(loss.parts)
    (4.0, ['back', 'forth'])
    """

    Config = BYOLConfig

    def __init__(self, encoder: Encoder, config: BYOLConfig | None = None) -> None:
        config = config or BYOLConfig()
        super().__init__(encoder, config)
        self.options = config
        self.predictor = mlp([config.projector[-1], *config.predictor], config.batch_norm)
        self.target = nn.ModuleList([deepcopy(_module(encoder)), deepcopy(self.projector)]).requires_grad_(False)

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, both directions, summed over its windows."""
        first, second = self.views(batch)
        terms = {
            "forth": distance(self._predict(*first), self._target(*second)),
            "back": distance(self._predict(*second), self._target(*first)),
        }
        return self.as_loss(terms, len(batch.ids))

    def after_step(self, step: int) -> None:
        """Move the target towards the online network, after `step` updates."""
        follow(self.target, nn.ModuleList([_module(self.encoder), self.projector]), self.momentum_at(step))

    def momentum_at(self, step: int) -> float:
        """How much of the target is kept after `step` updates."""
        return momentum_at(step, self.options.momentum, self.options.momentum_steps)

    def _predict(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        hidden = mean_frame(self.encoder(signal, lengths))
        with torch.autocast(signal.device.type, enabled=False):
            return self.predictor(self.projector(hidden))

    @torch.no_grad()
    def _target(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        encoder, projector = self.target
        with in_the_mode_of(encoder, _module(self.encoder)), in_the_mode_of(projector, self.projector):
            hidden = mean_frame(encoder(signal, lengths))
            with torch.autocast(signal.device.type, enabled=False):
                return projector(hidden)


def distance(prediction: Float[Tensor, "B D"], target: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Mean over rows of 2 - 2 cos: 0 for parallel, 2 for orthogonal, 4 for opposite vectors."""
    return (2 - 2 * functional.cosine_similarity(prediction.float(), target.float(), dim=1)).mean()


def _module(encoder: Encoder) -> nn.Module:
    """An encoder that is trained is a module."""
    return cast(nn.Module, encoder)
