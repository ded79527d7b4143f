"""Events from frame predictions (HEAR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from audiossl.evaluation.hear.event_counts import FileEvents

THRESHOLD = 0.5


def frame_labels(events: FileEvents, times: Float32[np.ndarray, "T"], vocabulary: Sequence[str]) -> Bool[np.ndarray, "T K"]:
    """Which labels each frame carries: those of events with start <= t < end + 0.0001 ms."""
    active = np.zeros((len(times), len(vocabulary)), dtype=bool)
    exact = times.astype(np.float64)
    for label, start, end in events:
        active[(exact >= start) & (exact < end + 0.0001), vocabulary.index(label)] = True
    return active


def find_events(
    predictions: Float[np.ndarray, "T K"],
    times: Float64[np.ndarray, "T"],
    vocabulary: Sequence[str],
    median_filter_ms: float | int,
    min_duration: float | int,
) -> FileEvents:
    """Turn the frame probabilities of a file into events, ordered by their start.

    Probabilities are median filtered over `round(median_filter_ms / hop)` frames, an even width shifting by half a frame as
    scipy does it; runs above 0.5 are events from their first to their last frame, kept from `min_duration` ms on.

    Args:
        predictions: probabilities of a file's frames.
        times: times of the frames, in milliseconds, ascending.
        vocabulary: labels by index.
        median_filter_ms: 0 for none.
        min_duration: least duration in milliseconds.
    """
    from scipy.ndimage import median_filter

    if median_filter_ms and len(times) > 1 and (width := round(median_filter_ms / float(np.mean(np.diff(times))))):
        predictions = median_filter(predictions, size=(width, 1))
    events: list[tuple[str, float, float]] = []
    for number, label in enumerate(vocabulary):
        steps = np.diff(np.concatenate([[0], predictions[:, number] > THRESHOLD, [0]]).astype(np.int8))
        for first, after in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
            start, end = float(times[first]), float(times[after - 1])
            if end - start >= min_duration:
                events.append((label, start, end))
    return sorted(events, key=lambda event: event[1])
