"""Transformations of a window that a decoder is told of: sign, direction, gain and speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator


@dataclass
class TransformConfig:
    """Which transformations are drawn.

    Attributes:
        negate: turn the sign of half of the windows round.
        reverse: play half of the windows backwards.
        gains: factors, one of which is drawn.
        speeds: speeds, one of which is drawn; what becomes longer than the window is cut.

    Raises:
        ConfigError: for a factor that is not above 0.

    >>> TransformConfig(speeds=[1.0]).width
    6
    """

    negate: bool = True
    reverse: bool = True
    gains: list[float] = field(default_factory=lambda: [0.5, 1.0, 2.0])
    speeds: list[float] = field(default_factory=lambda: [0.8, 1.0, 1.25])

    def __post_init__(self) -> None:
        for name, values in (("gains", self.gains), ("speeds", self.speeds)):
            if not values or not all(value > 0 and math.isfinite(value) for value in values):
                raise ConfigError(f"expected {name} above 0, at least one, got {values}")

    @property
    def width(self) -> int:
        """Width of a code."""
        return 2 + len(self.gains) + len(self.speeds)


@dataclass
class Transforms:
    """A transformation for each window.

    Attributes:
        factor: sign times gain.
        speed: samples of the window for each of the result.
        is_reversed: whether it is played backwards.
        code: what a decoder is told: two flags, and one of the gains and speeds each.

    >>> transforms = Transforms.draw(["a", "b"], (0, 1), TransformConfig())
    >>> transforms.code.shape, transforms.code.sum(1).min() >= 2
    (torch.Size([2, 8]), tensor(True))
    """

    factor: Float[Tensor, "B"]
    speed: Float[Tensor, "B"]
    is_reversed: Bool[Tensor, "B"]
    code: Float[Tensor, "B W"]

    @classmethod
    def draw(
        cls,
        ids: Sequence[str],
        key: tuple[int | str, ...],
        config: TransformConfig,
        device: torch.device | str = "cpu",
    ) -> Transforms:
        """Draw one for each window, from (key, id)."""
        draws = torch.stack([torch.rand(4, generator=derive_generator(*key, id_, "transform")) for id_ in ids])
        flags = (draws[:, :2] < 0.5) & torch.tensor([config.negate, config.reverse])
        gains, speeds = torch.tensor(config.gains), torch.tensor(config.speeds)
        gain, speed = (draws[:, 2] * len(gains)).long(), (draws[:, 3] * len(speeds)).long()
        code = [flags.float(), functional.one_hot(gain, len(gains)), functional.one_hot(speed, len(speeds))]
        factor = torch.where(flags[:, 0], -1.0, 1.0) * gains[gain]
        return cls(factor.to(device), speeds[speed].to(device), flags[:, 1].to(device), torch.cat(code, dim=1).to(device))

    def of_signal(
        self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B C L"], Int[Tensor, "B"]]:
        """Transformed windows and their lengths; zero beyond them."""
        played = self._played(signal, lengths, lengths, 0.5, 1.0) * self.factor[:, None, None]
        sizes = self._cut(lengths)
        valid = torch.arange(signal.shape[2], device=signal.device) < sizes[:, None]
        return played * valid[:, None], sizes

    def of_frames(
        self, frames: Float[Tensor, "B D T"], num_frames: Int[Tensor, "B"], lengths: Int[Tensor, "B"], first: int, hop: int
    ) -> tuple[Float[Tensor, "B D T"], Int[Tensor, "B"]]:
        """Frames where the transformed window wants them: played as fast, and the same way.

        Sign and gain leave frames alone.

        Args:
            frames: frames of the windows.
            num_frames: valid frames.
            lengths: valid samples of the windows.
            first: sample that frame 0 begins with.
            hop: samples of a frame.
        """
        return self._played(frames, num_frames, lengths, first + hop / 2, hop), self._cut(num_frames)

    def _cut(self, lengths: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        return torch.minimum((lengths / self.speed).round().long(), lengths).clamp(min=1)

    def _played(
        self, x: Float[Tensor, "B D T"], count: Int[Tensor, "B"], lengths: Int[Tensor, "B"], centre: float, step: int | float
    ) -> Float[Tensor, "B D T"]:
        """Values at the transformed times, between two neighbours by a straight line; value n is of time centre + n * step."""
        times = self.speed[:, None] * (centre + step * torch.arange(x.shape[2], device=x.device))
        times = torch.where(self.is_reversed[:, None], lengths[:, None] - times, times)
        last = (count - 1).clamp(min=0)[:, None]
        place = torch.minimum(((times - centre) / step).clamp(min=0), last)
        left = place.floor().long()
        share = (place - left)[:, None]
        rows = [x.gather(2, at[:, None].expand_as(x)) for at in (left, torch.minimum(left + 1, last))]
        return rows[0] * (1 - share) + rows[1] * share
