"""What a sensor recording is: channels x time at a rate, who wore the sensors, and what is known about stretches of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError

SAFE_ID = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Annotation:
    """What holds from `start` to `end`, in seconds from the first sample: a class (str) or a quantity (float)."""

    start: float
    end: float
    value: str | float


@dataclass(frozen=True)
class SensorRecording:
    """One uninterrupted recording.

    Attributes:
        id: unique in a set; letters, digits, `_`, `.` and `-`.
        subject: who (or which animal, patient) was recorded; splits never cut a subject in two.
        rate: samples per second.
        channels: names, such as `acc_x`.
        units: one for each channel, such as `g`, `rad/s`, `mV`; `1` where there is none.
        values: (C, S); NaN where a sample is missing.
        annotations: by task, such as `activity` or `heart_rate`; stretches of a task are in order and may overlap.
        custom: what else is known, such as the session or the place of the sensor.

    Raises:
        DataError: if the parts do not fit together; the message names the recording.
    """

    id: str
    subject: str
    rate: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    values: Float32[np.ndarray, "C S"]
    annotations: Mapping[str, tuple[Annotation, ...]] = field(default_factory=dict)
    custom: Mapping[str, str | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not SAFE_ID.fullmatch(self.id) or self.id.startswith("."):
            raise DataError(f"expected an id of letters, digits, '_', '.' and '-', got {self.id!r}")
        if not self.subject:
            raise DataError(f"{self.id}: expected a subject, got none; splits are by subject")
        if not self.rate > 0:
            raise DataError(f"{self.id}: expected a rate above 0 Hz, got {self.rate}")
        if not len(self.channels) == len(self.units) == len(self.values):
            raise DataError(
                f"{self.id}: expected as many names and units as channels, got {len(self.channels)} names, "
                f"{len(self.units)} units and {len(self.values)} channels"
            )
        if len(set(self.channels)) < len(self.channels):
            raise DataError(f"{self.id}: channel names repeat: {', '.join(self.channels)}")
        if np.isinf(self.values).any():
            raise DataError(f"{self.id}: infinite samples; mark missing samples by NaN")
        for task, stretches in self.annotations.items():
            for stretch in stretches:
                # Half a sample of rounding is allowed at the end.
                if not 0 <= stretch.start < stretch.end <= self.seconds + 0.5 / self.rate:
                    raise DataError(
                        f"{self.id}: {task} from {stretch.start:.3f} to {stretch.end:.3f} s is not within the recording's "
                        f"{self.seconds:.3f} s"
                    )

    @property
    def num_samples(self) -> int:
        """Samples of every channel."""
        return self.values.shape[1]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.rate


@dataclass(frozen=True)
class Rejected:
    """A recording that could not be used; `reason` names its file."""

    id: str
    reason: str
