"""Methods whose targets come from a moving average of the trained network."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder
from audiossl.objectives.moving_average import follow
from audiossl.objectives.semi_objective import SemiConfig, SemiObjective, encode
from audiossl.objectives.two_views import mlp
from audiossl.objectives.window_batch import WindowBatch


@dataclass
class TeacherConfig(SemiConfig):
    """Head, weight and momentum.

    Attributes:
        momentum: share of the moving average that is kept in each step.

    Raises:
        ConfigError: for a momentum that is not from 0 to 1.

    >>> TeacherConfig().momentum
    0.99
    """

    momentum: float = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum <= 1:
            raise ConfigError(f"expected a momentum of 0 to 1, got {self.momentum}")


class TaughtObjective(SemiObjective):
    """Base of methods with a teacher: a moving average of encoder and head, which has no gradient and answers in the end.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> objective = TaughtObjective(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), num_classes=2)
    >>> any(parameter.requires_grad for parameter in objective.teacher.parameters())
    False
    """

    Config = TeacherConfig

    def __init__(self, encoder: Encoder, num_classes: int, config: SemiConfig | None = None, *, frame_wise: bool = False) -> None:
        super().__init__(encoder, num_classes, config, frame_wise=frame_wise)
        self.teacher = deepcopy(TaughtObjective._online(self)).requires_grad_(False)

    def after_step(self, step: int) -> None:
        """Move the teacher towards the network."""
        follow(self.teacher, self._online(), cast(TeacherConfig, self.config).momentum)

    @torch.no_grad()
    def teach(self, windows: WindowBatch) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T K"], Bool[Tensor, "B T"]]:
        """The teacher's hidden frames and logits, in evaluation mode, and which are valid."""
        encoder, head = self.teacher.eval()[:2]  # pyright: ignore[reportGeneralTypeIssues]
        hidden, valid = encode(cast(Encoder, encoder), windows, self.frame_wise)
        with torch.autocast(hidden.device.type, enabled=False):
            return hidden, head(hidden.float()), valid

    @torch.no_grad()
    def answer(self, windows: WindowBatch) -> Float[Tensor, "B T K"]:
        """Logarithms of the teacher's probabilities."""
        return self.teach(windows)[1].log_softmax(2)

    def _online(self) -> nn.ModuleList:
        """What the teacher is a moving average of; encoder and head come first."""
        return nn.ModuleList([cast(nn.Module, self.encoder), self.head])


class TaughtProjection(TaughtObjective):
    """Base of methods that compare embeddings: a projector behind the frames, which the teacher follows too, as `teacher[2]`.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> objective = TaughtProjection(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), num_classes=2)
    >>> objective.add_projector([8, 4])
    >>> objective.teacher[2](torch.zeros(5, 8)).shape
    torch.Size([5, 4])
    """

    projector: nn.Module

    def add_projector(self, widths: Sequence[int]) -> None:
        """Make the projector, of these widths from frames to embeddings; a subclass calls it when it is made."""
        self.projector = mlp(widths, batch_norm=False)
        self.teacher.append(deepcopy(self.projector).requires_grad_(False))

    def _online(self) -> nn.ModuleList:
        return nn.ModuleList([*super()._online(), self.projector])
