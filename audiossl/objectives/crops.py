"""Two crops of each signal that overlap, with what is known of where they lie: start, speed and direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.lengths import pad_stack
from audiossl.seeds import derive_generator


@dataclass
class CropConfig:
    """How crops are drawn.

    Attributes:
        shortest: share of a signal that a crop has at least; above a half, so that any two overlap.
        stretch: each crop is played up to so much faster, or slower by the inverse, as resampling does.
        reverse: probability that a crop is played backwards.

    Raises:
        ConfigError: for a share out of range.

    >>> CropConfig(shortest=0.7).stretch
    0.2
    """

    shortest: float = 0.6
    stretch: float = 0.2
    reverse: float = 0.0

    def __post_init__(self) -> None:
        if not 0.5 < self.shortest <= 1 or not 0 <= self.stretch <= 1 or not 0 <= self.reverse <= 1:
            raise ConfigError(
                f"expected crops with shortest above 0.5 and at most 1, stretch and reverse of 0 to 1, got {self.shortest}, "
                f"{self.stretch} and {self.reverse}"
            )


@dataclass
class Crops:
    """Two crops of each item: time t of a crop, in samples from its left edge, is time `start + speed * t` of its signal.

    Attributes:
        signal: (B, 2, C, L), zero beyond each length.
        lengths: valid samples.
        start: samples from the left edge of the signal to where the crop begins; the right edge of what it shows where it runs
            backwards.
        speed: samples of the signal for one of the crop, negative where it runs backwards.

    >>> crops = cut_crops(torch.randn(3, 6, 50), torch.tensor([50, 40, 30]), ["a", "b", "c"], (0, 1), CropConfig(stretch=0.0))
    >>> crops.signal.shape[:3], bool((crops.lengths[:, 0] >= torch.tensor([30, 24, 18])).all())
    (torch.Size([3, 2, 6]), True)
    """

    signal: Float[Tensor, "B 2 C L"]
    lengths: Int[Tensor, "B 2"]
    start: Float[Tensor, "B 2"]
    speed: Float[Tensor, "B 2"]

    @classmethod
    def of(cls, pieces: Sequence[tuple[Float[Tensor, "C _"], float, float]]) -> Crops:
        """Put crops together, each with its start and speed, the two of an item after each other."""
        signal, lengths = pad_stack([piece.T for piece, _, _ in pieces])
        where = torch.tensor([(start, speed) for _, start, speed in pieces], dtype=torch.float64)
        padded = signal.transpose(1, 2).unflatten(0, (-1, 2)).contiguous()
        return cls(padded, lengths.unflatten(0, (-1, 2)).to(signal.device), *where.to(signal).unflatten(0, (-1, 2)).unbind(2))

    def view(self, number: int) -> tuple[Float[Tensor, "B C L"], Int[Tensor, "B"]]:
        """Signal and lengths of the first (0) or the second (1) crop of every item."""
        return self.signal[:, number], self.lengths[:, number]


def cut_crops(
    signal: Float[Tensor, "B C L"],
    lengths: Int[Tensor, "B"],
    ids: Sequence[str],
    key: tuple[int | str, ...],
    config: CropConfig | None = None,
) -> Crops:
    """Cut two crops out of every signal, by its own draws from (key, id).

    Args:
        signal: zero beyond each length.
        lengths: valid samples.
        ids: ids of the items.
        key: seed and epoch.
        config: how they are drawn.

    >>> cut_crops(torch.randn(2, 3, 100), torch.tensor([100, 80]), ["a", "b"], (0, 0)).signal.shape[:3]
    torch.Size([2, 2, 3])
    """
    config = config or CropConfig()
    pieces = []
    for row, (id_, length) in enumerate(zip(ids, lengths.tolist(), strict=True)):
        generator = derive_generator(*key, id_, "crops")
        pieces += [_cut(signal[row, :, :length], generator, config) for _ in range(2)]
    return Crops.of(pieces)


def _cut(x: Float[Tensor, "C L"], generator: torch.Generator, config: CropConfig) -> tuple[Float[Tensor, "C _"], float, float]:
    length = x.shape[1]
    least = max(1, -int(-config.shortest * length // 1))
    size = int(torch.randint(least, length + 1, (), generator=generator))
    start = int(torch.randint(length - size + 1, (), generator=generator))
    draw, direction = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    count = max(1, round(size / (1 + config.stretch) ** (2 * draw - 1)))
    speed = size / count  # so that the crop ends where the stretch of the signal does
    if direction < config.reverse:
        return played(x, start + size, -speed, count), float(start + size), -speed
    return played(x, start, speed, count), float(start), speed


def played(x: Float[Tensor, "C L"], start: int | float, speed: int | float, count: int) -> Float[Tensor, "C {count}"]:
    """Read `count` samples, each the value half way through its stretch of the signal, between samples by a straight line.

    There is no low-pass filter: at the speeds of an augmentation little is folded back.

    Args:
        x: signal; sample n lasts from n to n + 1.
        start: where the first sample begins.
        speed: samples of the signal for each of the result.
        count: number of samples.

    >>> played(torch.arange(6.0)[None], 1.0, 2.0, 2)
    tensor([[1.5000, 3.5000]])
    """
    if x.shape[1] < 2:
        return x[:, :1].expand(-1, count)
    places = start + (torch.arange(count, dtype=torch.float64) + 0.5) * speed - 0.5
    left = places.floor().clamp(0, x.shape[1] - 2).long()
    share = (places - left).to(x)  # a little below 0 or above 1 half a sample from the ends of the signal
    left = left.to(x.device)
    return x[:, left] * (1 - share) + x[:, left + 1] * share
