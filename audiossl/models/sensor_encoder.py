"""A trained encoder of sensor streams with what it needs to read raw recordings: channels, rate, and their normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.lengths import padding_mask, standardise_known
from audiossl.models import hub
from audiossl.models.encoder import Frames
from audiossl.models.pretrained import Pretrained
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig


@dataclass(frozen=True)
class SensorInput:
    """What an encoder takes: names and units of its channels, Hz, and how windows were normalised in training.

    Attributes:
        channels, units: names and units of the channels, in order.
        rate: sample rate, Hz.
        normalise: statistics that windows are normalised by: those of the training subjects, their own, or none.

    >>> SensorInput(("x", "y", "z"), ("g",) * 3, 50.0).normalise
    'training'
    """

    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate: float
    normalise: Literal["training", "window", "none"] = "training"


class SensorEncoder(Pretrained):
    """A `ResNet1d` behind the normalisation that it was trained with; missing samples (NaN) are taken for the mean.

    Args:
        encoder: trained.
        takes: description of the input.
        mean, deviation: mean and deviation of each channel over the training subjects; 0 and 1 where windows are normalised by
            themselves.

    >>> takes = SensorInput(("x", "y", "z"), ("g",) * 3, 50.0)
    >>> encoder = SensorEncoder(ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8)), takes)
    >>> encoder(torch.randn(2, 3, 64), torch.tensor([64, 40])).last.shape
    torch.Size([2, 32, 8])
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        encoder: ResNet1d,
        takes: SensorInput,
        mean: Sequence[float] | Float[Tensor, "C"] = (),
        deviation: Sequence[float] | Float[Tensor, "C"] = (),
    ) -> None:
        super().__init__()
        self.encoder, self.takes = encoder, takes
        count = len(takes.channels)
        self.register_buffer("mean", torch.as_tensor(mean).float() if len(mean) else torch.zeros(count))
        self.register_buffer("deviation", torch.as_tensor(deviation).float() if len(deviation) else torch.ones(count))
        self.sample_rate, self.frame_rate, self.last_frame_rate = takes.rate, encoder.frame_rate, encoder.last_frame_rate
        self.frame_offset, self.dim, self.num_layers = encoder.frame_offset, encoder.dim, encoder.num_layers
        self.min_samples, self.alignment = encoder.min_samples, encoder.alignment

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch in the units of the training data.

        Raises:
            DataError: for another number of channels.
        """
        if signal.shape[1] != len(self.takes.channels):
            wanted = ", ".join(f"{name} ({unit})" for name, unit in zip(self.takes.channels, self.takes.units, strict=True))
            raise DataError(f"expected {len(self.takes.channels)} channels: {wanted}; got {signal.shape[1]}")
        missing = signal.isnan() | padding_mask(lengths, signal.shape[2])[:, None]
        normal = (signal - self.mean[:, None]) / self.deviation[:, None]
        if self.takes.normalise == "window":
            normal = standardise_known(normal, ~missing)
        return self.encoder(normal.masked_fill(missing, 0.0), lengths)

    @classmethod
    def from_json(cls, values: dict[str, object]) -> SensorEncoder:
        """Make an untrained encoder from what `to_json` returned; the normalisation is part of the weights."""
        known = cast(dict[str, Any], values)  # of a JSON file
        takes = SensorInput(tuple(known["channels"]), tuple(known["units"]), known["rate"], known["normalise"])
        return cls(ResNet1d(len(takes.channels), takes.rate, ResNet1dConfig(**known["resnet1d"])), takes)

    def to_json(self) -> dict[str, object]:
        """Describe the input and the sizes."""
        return {**asdict(self.takes), "resnet1d": asdict(self.encoder.config)}

    def untrained(self) -> SensorEncoder:
        """The same encoder with weights drawn anew, behind the same normalisation."""
        drawn = ResNet1d(len(self.takes.channels), self.takes.rate, self.encoder.config)
        return SensorEncoder(drawn, self.takes, self.mean, self.deviation)

    def save(self, folder: Path, seen: Mapping[str, object] | None = None) -> None:
        """Save by `hub.save`.

        Args:
            folder: folder that is written.
            seen: description of what it was pre-trained on: `dataset`, `subjects`, `seed` and `fold`. An evaluation on the same
                data set refuses to test these people.
        """
        hub.save(self, folder, seen or None)

    @classmethod
    def load(cls, folder: Path) -> SensorEncoder:
        """Load by `hub.load`.

        Raises:
            StoreError: if a file is missing or damaged, the weights do not fit the config, or it is another encoder.
        """
        return hub.load_as(cls, folder)
