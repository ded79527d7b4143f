"""Find recordings that are copies of others: one person under two names would be on both sides of a split."""

from __future__ import annotations

import hashlib

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Rejected, SensorRecording


class Copies:
    """Remembers what it was shown, as digests: a set need not fit into memory."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[str, str]] = {}

    def find(self, recording: SensorRecording) -> Rejected | None:
        """Why a recording is not used, if it has the very samples of one before of the same subject.

        Recordings in which nothing happens may be equal by chance and are no copies.

        Raises:
            DataError: if two subjects have the same samples.
        """
        if not varies(recording.values):
            return None
        values = np.ascontiguousarray(recording.values)
        digest = hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).digest()
        twin, subject = self._seen.setdefault(digest, (recording.id, recording.subject))
        if subject != recording.subject:
            raise DataError(
                f"{recording.id} of {recording.subject} has the very samples of {twin} of {subject}: one person under two names? "
                f"Splits are by subject, so both need the same name, or one is to be left out"
            )
        if twin == recording.id:
            return None
        return Rejected(recording.id, f"it has the very samples of {twin} of the same subject, {subject}: a copy")


def varies(values: np.ndarray) -> bool:
    """Whether any channel has two known samples that differ."""
    return any(len(known) > 0 and known.min() < known.max() for known in (row[~np.isnan(row)] for row in values))
