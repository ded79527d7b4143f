"""Transformations of a window that a decoder is told of: sign, direction, gain, speed and band."""

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
        bands: lower and upper ends of frequency bands, as shares of half the sample rate, one of which is drawn; all else is
            taken out. [0, 1] is everything, and an upper end of 1 is included.

    Raises:
        ConfigError: for a factor that is not above 0, or a band that is none.

    >>> TransformConfig(speeds=[1.0]).width
    9
    """

    negate: bool = True
    reverse: bool = True
    gains: list[float] = field(default_factory=lambda: [0.5, 1.0, 2.0])
    speeds: list[float] = field(default_factory=lambda: [0.8, 1.0, 1.25])
    bands: list[list[float]] = field(default_factory=lambda: [[0.0, 1.0], [0.0, 0.25], [0.25, 1.0]])

    def __post_init__(self) -> None:
        for name, values in (("gains", self.gains), ("speeds", self.speeds)):
            if not values or not all(value > 0 and math.isfinite(value) for value in values):
                raise ConfigError(f"expected {name} above 0, at least one, got {values}")
        if not self.bands or not all(len(ends) == 2 and 0 <= ends[0] < ends[1] <= 1 for ends in self.bands):
            raise ConfigError(f"expected bands as pairs of rising shares of half the sample rate, at least one, got {self.bands}")

    @property
    def width(self) -> int:
        """Width of a code."""
        return 2 + len(self.gains) + len(self.speeds) + len(self.bands)


@dataclass
class Transforms:
    """A transformation for each window.

    Attributes:
        factor: sign times gain.
        speed: samples of the window for each of the result.
        is_reversed: whether it is played backwards.
        band: ends of its band.
        code: what a decoder is told: two flags, and one of the gains, speeds and bands each.

    >>> transforms = Transforms.draw(["a", "b"], (0, 1), TransformConfig())
    >>> transforms.code.shape, transforms.code.sum(1).min() >= 3
    (torch.Size([2, 11]), tensor(True))
    """

    factor: Float[Tensor, "B"]
    speed: Float[Tensor, "B"]
    is_reversed: Bool[Tensor, "B"]
    band: Float[Tensor, "B 2"]
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
        draws = torch.stack([torch.rand(5, generator=derive_generator(*key, id_, "transform")) for id_ in ids])
        flags = (draws[:, :2] < 0.5) & torch.tensor([config.negate, config.reverse])
        gains, speeds, bands = (torch.tensor(x, dtype=torch.float32) for x in (config.gains, config.speeds, config.bands))
        places = [(draws[:, 2 + k] * len(values)).long() for k, values in enumerate((gains, speeds, bands))]
        code = [flags.float(), *(functional.one_hot(at, len(x)) for at, x in zip(places, (gains, speeds, bands), strict=True))]
        gain, speed, band = (values[at].to(device) for values, at in zip((gains, speeds, bands), places, strict=True))
        factor = torch.where(flags[:, 0], -1.0, 1.0).to(device) * gain
        return cls(factor, speed, flags[:, 1].to(device), band, torch.cat(code, dim=1).to(device))

    def of_signal(
        self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]
    ) -> tuple[Float[Tensor, "B C L"], Int[Tensor, "B"]]:
        """Transformed windows and their lengths; zero beyond them."""
        played = self._played(self._filtered(signal, lengths), lengths, lengths, 0.5, 1.0) * self.factor[:, None, None]
        sizes = self._cut(lengths)
        valid = torch.arange(signal.shape[2], device=signal.device) < sizes[:, None]
        return played * valid[:, None], sizes

    def of_frames(
        self, frames: Float[Tensor, "B D T"], num_frames: Int[Tensor, "B"], lengths: Int[Tensor, "B"], first: int, hop: int
    ) -> tuple[Float[Tensor, "B D T"], Int[Tensor, "B"]]:
        """Frames where the transformed window wants them: played as fast, and the same way.

        Sign, gain and band leave frames alone.

        Args:
            frames: frames of the windows.
            num_frames: valid frames.
            lengths: valid samples of the windows.
            first: sample that frame 0 begins with.
            hop: samples of a frame.
        """
        return self._played(frames, num_frames, lengths, first + hop / 2, hop), self._cut(num_frames)

    def _filtered(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B C L"]:
        """What of each window is in its band, by a Fourier transform of as many samples as it has."""
        low, high = self.band[:, :1], self.band[:, 1:]
        is_part = ((low > 0) | (high < 1))[:, 0]
        filtered = signal.clone()
        for size in lengths[is_part].unique().tolist():
            rows = (is_part & (lengths == size)).nonzero()[:, 0]
            spectrum = torch.fft.rfft(signal[rows, :, :size], dim=2)
            share = torch.arange(spectrum.shape[2], device=signal.device) * (2 / size)
            is_kept = (share >= low[rows]) & ((share < high[rows]) | (high[rows] == 1))
            filtered[rows, :, :size] = torch.fft.irfft(spectrum * is_kept[:, None], n=size, dim=2)
        return filtered

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
