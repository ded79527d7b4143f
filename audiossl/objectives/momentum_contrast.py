"""What objectives with queries, keys of a moving average, and a queue of negatives share (MoCo, arXiv 1911.05722)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.models.encoder import Encoder, Frames
from audiossl.objectives.moving_average import follow, in_the_mode_of, momentum_at
from audiossl.objectives.option_checks import require_positive, require_widths
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.queue import Queue
from audiossl.objectives.two_views import TwoViewConfig, TwoViews


@dataclass
class MomentumContrastConfig(TwoViewConfig):
    """Views, heads, queue and moving average.

    Attributes:
        temperature: tau.
        queue: number of past keys that are negatives; 65,536 in long runs, 1,024 to 16,384 for small data.
        momentum: share of the keys' network that is kept at first; it rises to 1 along a cosine over `momentum_steps` updates, 0
            for never. Published runs of 100,000 updates keep 0.999, which runs of a few hundred would hardly leave.
        momentum_steps: K of that schedule.

    >>> MomentumContrastConfig(queue=512).momentum
    0.99
    """

    temperature: float = 0.2
    queue: int = 2048
    momentum: float = 0.99
    momentum_steps: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_widths("projector", self.projector, fewest=1)
        require_positive("temperature", self.temperature)
        require_positive("queue", self.queue)
        if not 0 <= self.momentum <= 1 or self.momentum_steps < 0:
            raise ConfigError(
                f"expected a momentum of 0 to 1 and momentum_steps of at least 0, got {self.momentum} and {self.momentum_steps}"
            )


class MomentumContrast(TwoViews):
    """Base of objectives whose queries find the key of the same window among past keys of all ranks.

    Keys come from a moving average of encoder and projector, buffers included; in training its batch norms are of the batch, as
    those of the encoder are, since statistics that follow slowly would belong to neither network.
    """

    Config = MomentumContrastConfig

    def __init__(self, encoder: Encoder, config: MomentumContrastConfig | None = None) -> None:
        chosen = self.Config() if config is None else config
        super().__init__(encoder, chosen)
        self.contrast_options = chosen
        self.queue = Queue(chosen.queue, chosen.projector[-1])
        self.target = nn.ModuleList([deepcopy(cast(nn.Module, encoder)), deepcopy(self.projector)]).requires_grad_(False)

    def query(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> tuple[Frames, Float[Tensor, "B D"]]:
        """Frames of windows, and their queries."""
        frames = self.encode(signal, lengths)
        with torch.autocast(signal.device.type, enabled=False):
            return frames, self.projector(mean_frame(frames))

    @torch.no_grad()
    def key(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> tuple[Frames, Float[Tensor, "B D"]]:
        """Frames of windows by the moving average, and their keys, without gradients."""
        encoder, projector = self.target
        with in_the_mode_of(encoder, cast(nn.Module, self.encoder)), in_the_mode_of(projector, self.projector):
            frames = encoder(signal, lengths)
            with torch.autocast(signal.device.type, enabled=False):
                return frames, projector(mean_frame(frames))

    def take_in(self, keys: Float[Tensor, "B D"]) -> None:
        """Put keys into the queue, in training."""
        if self.training and torch.is_grad_enabled():  # without gradients ranks may have other numbers of batches
            self.queue.add(keys)

    def after_step(self, step: int) -> None:
        """Move the keys' network towards the trained one, after `step` updates."""
        options = self.contrast_options
        online = nn.ModuleList([cast(nn.Module, self.encoder), self.projector])
        follow(self.target, online, momentum_at(step, options.momentum, options.momentum_steps))
