"""Random changes of sensor windows that should not change what they show (definitions: arXiv 2510.22655, appendix)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator

Kind = Literal["permute", "noise", "scale", "shift", "rotate", "negate", "resample"]
SETS: dict[str, tuple[Kind, ...]] = {
    "heart_rate": ("permute", "noise", "scale", "shift"),
    "imu": ("permute", "noise", "scale", "shift", "rotate"),
    "ecg_eeg": ("resample", "noise", "scale", "negate", "shift"),
}


@dataclass
class AugmentationConfig:
    """Which changes a view may get, and how strong they are.

    Attributes:
        kinds: `heart_rate`, `imu` or `ecg_eeg`, the published sets.
        per_view: number of kinds for each view, drawn without replacement.
        noise: deviation of added noise, in the unit of the signal (normalised windows: of its deviation).
        scale_mean, scale_deviation: mean and deviation of a factor for each sample, shared by channels.
        max_segments: pieces that are put in another order.
        max_stretch: a stretch of a window is drawn out by up to so much, or as much pressed together, and cut back.
        axes: first channels of triples (x, y, z) that are rotated together in space.

    Raises:
        ConfigError: for an unknown set, or a strength out of range.

    >>> AugmentationConfig("ecg_eeg", per_view=2).noise
    0.4
    """

    kinds: str = "imu"
    per_view: int = 1
    noise: float = 0.4
    scale_mean: float = 2.0
    scale_deviation: float = 1.1
    max_segments: int = 5
    max_stretch: float = 0.3
    axes: list[int] = field(default_factory=lambda: [0, 3])

    def __post_init__(self) -> None:
        if self.kinds not in SETS:
            raise ConfigError(f"there is no set of augmentations '{self.kinds}'; choose one of {', '.join(SETS)}")
        if not 0 <= self.per_view <= len(SETS[self.kinds]):
            raise ConfigError(
                f"the set '{self.kinds}' has {len(SETS[self.kinds])} augmentations, per_view asks for {self.per_view}"
            )
        # A window pressed to less than half its length would not fill its place when it is played twice.
        if not 0 <= self.max_stretch <= 0.5 or self.noise < 0 or self.max_segments < 2:
            raise ConfigError(
                f"expected augmentations with max_stretch of 0 to 0.5, noise of at least 0 and max_segments of at least 2, got "
                f"{self.max_stretch}, {self.noise} and {self.max_segments}"
            )


def augment(
    signal: Float[Tensor, "B C L"],
    lengths: Int[Tensor, "B"],
    ids: Sequence[str],
    key: tuple[int | str, ...],
    config: AugmentationConfig,
    chain: Sequence[str] | None = None,
) -> Float[Tensor, "B C L"]:
    """Change every window by its own draws from (key, id); padding stays zero.

    Args:
        signal: zero beyond each length.
        lengths: valid samples.
        ids: ids of the windows.
        key: seed, epoch and name or number of the view.
        config: kinds and strengths.
        chain: changes that every window gets, in this order, instead of drawn ones.

    >>> signal, lengths = torch.ones(2, 6, 50), torch.tensor([50, 20])
    >>> changed = augment(signal, lengths, ["a", "b"], (0, 1, "view"), AugmentationConfig("imu"))
    >>> changed.shape, bool((changed[1, :, 20:] == 0).all())
    (torch.Size([2, 6, 50]), True)
    """
    out = torch.zeros_like(signal)
    kinds = SETS[config.kinds]
    for row, (id_, size) in enumerate(zip(ids, lengths.tolist(), strict=True)):
        generator = derive_generator(*key, id_, "augment")
        window = signal[row, :, :size]
        drawn = torch.randperm(len(kinds), generator=generator)[: config.per_view].tolist() if chain is None else []
        for kind in chain or [kinds[index] for index in drawn]:
            window = CHANGES[kind](window, generator, config)
        out[row, :, :size] = window
    return out


def permute(x: Float[Tensor, "C L"], generator: torch.Generator, config: AugmentationConfig) -> Float[Tensor, "C L"]:
    """Cut into 2 to `max_segments` pieces at random places and shuffle them."""
    length = x.shape[1]
    if length < 2:
        return x
    count = int(torch.randint(2, max(3, config.max_segments + 1), (), generator=generator))
    cuts = (torch.randperm(length - 1, generator=generator)[: count - 1] + 1).sort().values.tolist()
    pieces = x.tensor_split(cuts, dim=1)
    return torch.cat([pieces[i] for i in torch.randperm(len(pieces), generator=generator).tolist()], dim=1)


def add_noise(x: Float[Tensor, "C L"], generator: torch.Generator, config: AugmentationConfig) -> Float[Tensor, "C L"]:
    """Add independent noise to every sample."""
    return x + config.noise * _normal(x.shape, generator, x)


def scale(x: Float[Tensor, "C L"], generator: torch.Generator, config: AugmentationConfig) -> Float[Tensor, "C L"]:
    """Multiply every sample by a factor of its own, the same in all channels."""
    return x * (config.scale_mean + config.scale_deviation * _normal((1, x.shape[1]), generator, x))


def shift(x: Float[Tensor, "C L"], generator: torch.Generator, config: AugmentationConfig) -> Float[Tensor, "C L"]:
    """Turn the window round by a random number of samples."""
    return x.roll(int(torch.randint(x.shape[1], (), generator=generator)), dims=1)


def rotate(x: Float[Tensor, "C L"], generator: torch.Generator, config: AugmentationConfig) -> Float[Tensor, "C L"]:
    """Turn triples of axes by one random rotation, uniform over all, as if the device were worn another way.

    Raises:
        ConfigError: if a triple goes beyond the channels.
    """
    if any(first + 3 > len(x) for first in config.axes):
        raise ConfigError(
            f"augmentations.axes={config.axes} asks for triples beyond the {len(x)} channels; name first channels of x, y, z"
        )
    quaternion = functional.normalize(torch.randn(4, generator=generator, dtype=torch.float64), dim=0)
    turned = x.clone()
    for first in config.axes:
        turned[first : first + 3] = _matrix(quaternion).to(x) @ x[first : first + 3]
    return turned


def negate(x: Float[Tensor, "C L"], generator: torch.Generator, config: AugmentationConfig) -> Float[Tensor, "C L"]:
    """Turn the sign round."""
    return -x


def resample(x: Float[Tensor, "C L"], generator: torch.Generator, config: AugmentationConfig) -> Float[Tensor, "C L"]:
    """Play faster or slower by a random factor; what is too long is cut, what is too short continues from the start."""
    factor = 1 + config.max_stretch * (2 * float(torch.rand((), generator=generator)) - 1)
    size = max(2, round(x.shape[1] * factor))
    played = functional.interpolate(x[None], size=size, mode="linear", align_corners=True)[0]
    return torch.cat([played, played], dim=1)[:, : x.shape[1]] if size < x.shape[1] else played[:, : x.shape[1]]


CHANGES: dict[str, Callable[[Tensor, torch.Generator, AugmentationConfig], Tensor]] = {
    "permute": permute, "noise": add_noise, "scale": scale, "shift": shift,
    "rotate": rotate, "negate": negate, "resample": resample,
}  # fmt: skip


def _normal(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(*shape, generator=generator).to(like)


def _matrix(quaternion: Float[Tensor, "4"]) -> Float[Tensor, "3 3"]:
    w, x, y, z = quaternion.tolist()
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
