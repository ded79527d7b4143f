"""What all recordings of a set have in common: channels, units, rate, and whether a task has classes or quantities."""

from __future__ import annotations

from audiossl.errors import DataError
from audiossl.signals.sensors.labels import kind_of
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.units import plain_unit


class Agreement:
    """Compares recordings, one after the other, with those before.

    Args:
        one_rate: refuse other rates than the first recording's.
    """

    def __init__(self, one_rate: bool = True) -> None:
        self.one_rate = one_rate
        # By what is compared: the first recording's id, what it has, and how a message says so.
        self._first: dict[str, tuple[str, object, str]] = {}

    def check(self, recording: SensorRecording) -> None:
        """Compare a recording with the first.

        Raises:
            DataError: if they differ; it names both recordings and what differs.
        """
        self._compare(recording, "channels", recording.channels, ", ".join(recording.channels))
        self._compare(recording, "units", tuple(map(plain_unit, recording.units)), _with_units(recording))
        if self.one_rate:
            self._compare(recording, "rate", recording.rate, f"{recording.rate} Hz")
        for task, stretches in recording.annotations.items():
            if kind := kind_of(stretch.value for stretch in stretches):
                self._compare(
                    recording, f"labels of {task}", kind, "classes, as text" if kind == "class" else "quantities, as numbers"
                )

    def _compare(self, recording: SensorRecording, what: str, value: object, shown: str) -> None:
        id_, expected, said = self._first.setdefault(what, (recording.id, value, shown))
        if value != expected:
            raise DataError(
                f"{recording.id} has {shown}; {id_} has {said}: they differ in {what}. A set has one rate, the same channels in "
                f"the same units, and labels of one kind throughout: convert them in the prepare script, or make two sets."
            )


def _with_units(recording: SensorRecording) -> str:
    return ", ".join(f"{name} in {unit}" for name, unit in zip(recording.channels, recording.units, strict=True))
