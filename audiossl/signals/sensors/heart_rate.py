"""The convention of wrist heart-rate sets: one value for each 8 s window, every 2 s."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation

WINDOW_SECONDS = 8.0
HOP_SECONDS = 2.0
_ROUNDING = 1e-6  # s; samples / rate at an odd rate is not exact


def heart_rate_windows(bpm: Float[np.ndarray, "N"], seconds: float) -> tuple[Annotation, ...]:
    """Place the i-th heart rate at 2 i to 2 i + 8 s of a recording.

    Args:
        bpm: beats per minute, one for each whole window.
        seconds: length of the recording.

    Raises:
        DataError: if the recording has another number of windows, or a rate is not above 0 and finite.

    >>> [(one.start, one.end, one.value) for one in heart_rate_windows(np.array([70.0, 72.0]), 10.0)]
    [(0.0, 8.0, 70.0), (2.0, 10.0, 72.0)]
    """
    expected = num_windows(seconds)
    if len(bpm) != expected:
        raise DataError(f"expected {expected} heart rates for {seconds:.2f} s (8 s windows every 2 s), got {len(bpm)}")
    if not (np.isfinite(bpm).all() and (bpm > 0).all()):
        raise DataError("expected finite heart rates above 0 beats per minute, got others")
    starts = HOP_SECONDS * np.arange(len(bpm))
    return tuple(
        Annotation(float(start), float(start + WINDOW_SECONDS), float(rate)) for start, rate in zip(starts, bpm, strict=True)
    )


def num_windows(seconds: float) -> int:
    """Number of whole windows; a length that lacks less than a millionth of a second of one, by rounding, holds it.

    >>> num_windows(10.0)
    2
    """
    return max(0, int((seconds + _ROUNDING - WINDOW_SECONDS) // HOP_SECONDS) + 1)
