"""What a sensor recording is: channels x time at a rate, who wore the sensors, and what is known about stretches of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError
from audiossl.signals.sensors.labels import Label, as_label, kind_of

SAFE_ID = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Annotation:
    """What holds from `start` to `end`, in seconds from the first sample: a class (str), a quantity (float) or None, not known.

    Values are checked by the recording that has the annotation, so that a message can name it: NaN becomes None, and whole
    numbers are refused, since they may be codes of classes as well as quantities.

    >>> Annotation(0.0, 2.5, "walking").value
    'walking'
    """

    start: float
    end: float
    value: Label


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
        annotations: annotations by task, such as `activity` or `heart_rate`; stretches of a task are in order and may overlap.
        custom: what else is known, such as the session or the place of the sensor.

    Raises:
        DataError: if the parts do not fit together; the message names the recording.

    >>> import numpy as np
    >>> values = np.zeros((2, 100), np.float32)
    >>> walk = (Annotation(0.0, 2.0, "walking"),)
    >>> recording = SensorRecording("walk_1", "anna", 50.0, ("acc_x", "acc_y"), ("g", "g"), values, {"activity": walk})
    >>> recording.seconds
    2.0
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
        # Types are declared, but users run without a type checker: what is a number or a name beyond doubt becomes one.
        if not isinstance(self.id, str) or not SAFE_ID.fullmatch(self.id) or self.id.startswith("."):
            raise DataError(f"expected an id of letters, digits, '_', '.' and '-', got {self.id!r}")
        self._set("id", str(self.id))
        try:
            self._check()
        except DataError as error:
            raise DataError(f"{self.id}: {error}") from error

    def _check(self) -> None:
        self._set("subject", _subject(self.subject))
        self._set("rate", _number(self.rate, "a rate"))
        if not 0 < self.rate < np.inf:
            raise DataError(f"expected a rate above 0 Hz, got {self.rate}")
        for name in ("channels", "units"):
            self._set(name, _names(getattr(self, name), name))
        self._set("values", _samples(self.values))
        if not self.channels:
            raise DataError("expected a channel or more, got none")
        if not len(self.channels) == len(self.units) == len(self.values):
            raise DataError(
                f"expected as many names and units as channels, got {len(self.channels)} names, "
                f"{len(self.units)} units and {len(self.values)} channels"
            )
        if len(set(self.channels)) < len(self.channels):
            raise DataError(f"channel names repeat: {', '.join(self.channels)}")
        if np.isinf(self.values).any():
            raise DataError("infinite samples; mark missing samples by NaN")
        if not isinstance(self.annotations, Mapping):
            raise DataError(f"expected annotations by task, got {self.annotations!r}: give none as {{}}")
        self._set("annotations", {task: self._checked(task, found) for task, found in self.annotations.items()})
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in self.custom.items()}
        self._set("custom", plain)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _checked(self, task: str, stretches: tuple[Annotation, ...]) -> tuple[Annotation, ...]:
        """Annotations of a task with plain numbers and labels; the task is named where they are not what they should be."""
        found = []
        if not isinstance(stretches, Iterable):
            raise DataError(f"{task}: expected annotations, got {stretches!r}: give none as ()")
        for stretch in stretches:
            if not isinstance(stretch, Annotation):
                raise DataError(f"{task}: expected annotations, got {stretch!r}: write Annotation(start, end, label)")
            start, end = _number(stretch.start, f"{task}: a start"), _number(stretch.end, f"{task}: an end")
            # Half a sample of rounding is allowed at the end.
            if not 0 <= start < end <= self.seconds + 0.5 / self.rate:
                raise DataError(f"{task} from {start:.3f} to {end:.3f} s is not within the recording's {self.seconds:.3f} s")
            try:
                found.append(Annotation(start, end, as_label(stretch.value)))
            except DataError as error:
                raise DataError(f"{task} from {start:.3f} to {end:.3f} s: {error}") from error
        try:
            kind_of(stretch.value for stretch in found)
        except DataError as error:
            raise DataError(f"{task}: {error}") from error
        return tuple(found)

    @property
    def num_samples(self) -> int:
        """Samples of every channel."""
        return self.values.shape[1]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.rate


def _subject(value: Any) -> str:
    """The name of a subject; a whole number is a name beyond doubt, but a table writes the number 3.0 and NaN for gaps."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        got = "none" if value is None or isinstance(value, str) else repr(value)
        raise DataError(f"expected a subject as text, got {got}; splits are by subject")
    return str(value).strip()  # a blank at its end would make another person


def _number(value: Any, what: str) -> float:
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise DataError(f"expected {what} as a number, got {value!r}")
    return float(value)


def _names(values: Any, what: str) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise DataError(f"expected {what} as a tuple of text, one for each channel, got {values!r}")
    return tuple(str(value) for value in values)


def _samples(values: Any) -> Float32[np.ndarray, "C S"]:
    """The array itself if it is one of float32, channels x time; other numbers are converted, masked ones are missing."""
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiu":
        got = f"{getattr(values, 'dtype', type(values).__name__)} of shape {getattr(values, 'shape', '?')}"
        raise DataError(f"expected values as an array of float32, channels x time, got {got}")
    if isinstance(values, np.ma.MaskedArray):  # saved, its masked samples would be samples again
        values = np.ma.filled(values.astype(np.float64), np.nan)
    if values.dtype == np.float32:
        return values
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which is refused
        return values.astype(np.float32)


@dataclass(frozen=True)
class Rejected:
    """A recording that could not be used; `reason` names its file.

    >>> Rejected("walk_2", "walk_2.csv: no samples").id
    'walk_2'
    """

    id: str
    reason: str
