"""PGL: frames of two crops agree where the crops overlap (arXiv 2011.12640, section 2)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.augmentations import augment
from audiossl.objectives.byol import BYOLConfig
from audiossl.objectives.crops import Crops
from audiossl.objectives.frame_alignment import on_shared_axis
from audiossl.objectives.loss import Loss, Ratio
from audiossl.objectives.moving_average import follow, in_the_mode_of, momentum_at
from audiossl.objectives.objective import Needs, Objective
from audiossl.objectives.two_views import mlp
from audiossl.objectives.vicreg import off_diagonal_covariance, variance_hinge
from audiossl.objectives.window_batch import WindowBatch

IN_PLACE = ("noise", "scale", "rotate", "negate")  # changes after which a sample is still of the same time


@dataclass
class PGLConfig(BYOLConfig):
    """Views, heads and moving average.

    Attributes:
        changes: changes that either crop gets, in this order: of noise, scale, rotate and negate, which leave every sample at its
            time. `augmentations` says how strong they are; its `kinds` and `per_view` are not used.
        variance, covariance: weights of VICReg's terms (arXiv 2105.04906) on the online projections of frames: that every
            dimension varies over the frames of the batch, and dimensions do not vary together. 0 is the published loss.

    Raises:
        ConfigError: for another change, widths that do not fit, or a momentum out of range.

    >>> PGLConfig(changes=["noise"]).momentum
    0.996
    """

    changes: list[str] = field(default_factory=lambda: ["noise"])
    variance: float = 0.0
    covariance: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := sorted({*self.changes} - {*IN_PLACE}):
            raise ConfigError(f"expected changes that leave samples at their times, {', '.join(IN_PLACE)}, got '{unknown[0]}'")
        if min(self.variance, self.covariance) < 0:
            raise ConfigError(f"expected variance and covariance of at least 0, got {self.variance} and {self.covariance}")


class PGL(Objective[Encoder, WindowBatch]):
    """Where two crops overlap, the online network predicts, frame by frame, the target's projection of the other.

    Start, speed and direction of each crop are known, so the frames of both are read at the same times of the window, however
    fast and whichever way a crop was played. Projector and predictor look at single frames. The target is a moving average of
    encoder and projector, buffers included. The loss of a frame is 2 - 2 cos, averaged over the shared times of a window and
    summed over both directions; a window of which a crop has no frame does not count.

    Nothing is gathered: the loss of a window depends on others of its rank at most, by norms and by the terms on the spread of
    frames.

    Args:
        encoder: encoder of the windows, which is trained; the target is a copy of it.
        config: views, heads and moving average.

    >>> from dataclasses import replace
    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> from audiossl.objectives.crops import cut_crops
    >>> encoder = ResNet1d(6, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> batch = WindowBatch.of(torch.randn(4, 6, 64))
    >>> batch = replace(batch, crops=cut_crops(batch.signal, batch.lengths, batch.ids, (0, 0)))
    >>> loss = PGL(encoder, PGLConfig(projector=[16], predictor=[16]))(batch)
    >>> loss.weight, sorted(loss.parts)
    (4.0, ['back', 'forth'])
    """

    Config = PGLConfig
    needs = Needs.CROPS

    def __init__(self, encoder: Encoder, config: PGLConfig | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config = config or PGLConfig()
        self.projector = mlp([encoder.dim, *config.projector], config.batch_norm)
        self.predictor = mlp([config.projector[-1], *config.predictor], config.batch_norm)
        self.target = nn.ModuleList([deepcopy(cast(nn.Module, encoder)), deepcopy(self.projector)]).requires_grad_(False)

    def forward(self, batch: WindowBatch) -> Loss:
        """Compute the loss of a batch, summed over its windows.

        Raises:
            ConfigError: if the batch brings no crops.
        """
        if batch.crops is None:
            raise ConfigError(
                "PGL needs overlapping crops with their offsets: give the batch crops, as audiossl.objectives.cut_crops cuts them"
            )
        views = [self._view(batch, batch.crops, number) for number in range(2)]
        first, second = (self.encoder(*view) for view in views)
        a, b, counts = on_shared_axis(self.encoder, first, second, batch.crops)
        if not len(a):
            return Loss((a - b).sum(), 0.0)
        targets = self._targets(views, batch.crops)
        with torch.autocast(a.device.type, enabled=False):
            projections = [self.projector(rows) for rows in (a, b)]
            ahead, behind = (self.predictor(rows) for rows in projections)
        share = (1 / counts.clamp(min=1)).repeat_interleave(counts)
        weight = float((counts > 0).sum())
        terms = {
            "forth": (share * distances(ahead, targets[1])).sum(),
            "back": (share * distances(behind, targets[0])).sum(),
        }
        if len(a) > 1:
            terms |= {name: weight * term for name, term in self._spread(projections).items()}
        parts = {name: Ratio(term.detach(), weight) for name, term in terms.items()}
        return Loss(torch.stack(list(terms.values())).sum(), weight, parts)

    def after_step(self, step: int) -> None:
        """Move the target towards the online network, after `step` updates."""
        keep = momentum_at(step, self.config.momentum, self.config.momentum_steps)
        follow(self.target, nn.ModuleList([cast(nn.Module, self.encoder), self.projector]), keep)

    def _spread(self, projections: list[Float[Tensor, "M D"]]) -> dict[str, Float[Tensor, ""]]:
        """VICReg's terms, the means of both crops', with their weights."""
        weights = {"variance": self.config.variance, "covariance": self.config.covariance}
        measures = {"variance": variance_hinge, "covariance": off_diagonal_covariance}
        return {
            name: weight * torch.stack([measures[name](rows) for rows in projections]).mean()
            for name, weight in weights.items()
            if weight
        }

    def _view(self, batch: WindowBatch, crops: Crops, number: int) -> tuple[Tensor, Tensor]:
        signal, lengths = crops.view(number)
        key = (batch.seed, batch.epoch, number)
        return augment(signal, lengths, batch.ids, key, self.config.augmentations, self.config.changes), lengths

    @torch.no_grad()
    def _targets(self, views: list[tuple[Tensor, Tensor]], crops: Crops) -> list[Float[Tensor, "M D"]]:
        encoder, projector = self.target
        with in_the_mode_of(encoder, cast(nn.Module, self.encoder)), in_the_mode_of(projector, self.projector):
            first, second = (encoder(*view) for view in views)
            rows = on_shared_axis(self.encoder, first, second, crops)[:2]
            with torch.autocast(rows[0].device.type, enabled=False):
                return [projector(of_crop) for of_crop in rows]


def distances(prediction: Float[Tensor, "M D"], target: Float[Tensor, "M D"]) -> Float[Tensor, "M"]:
    """Squared distance of each two rows of unit length, 2 - 2 cos, in float32."""
    return 2 - 2 * functional.cosine_similarity(prediction.float(), target.float(), dim=1)
