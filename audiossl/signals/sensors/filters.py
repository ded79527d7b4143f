"""Band-pass filters and other rates for sensor recordings, with missing samples."""

from __future__ import annotations

from fractions import Fraction
from typing import SupportsFloat

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import signal

from audiossl.errors import DataError

_LARGEST_RATIO = 10_000  # of up and down steps; an odd rate such as 100.42 Hz is met to 1 part in 10^8
_LONGEST_STEPS = 1_000_000  # where that would drift in a long recording, as 49.9998 Hz taken for 50 Hz does
_MOST_DRIFT = 0.25  # new samples from the true time at the end of a recording


def bandpass(
    values: Float[np.ndarray, "C S"], rate: float, low: float, high: float, order: int = 4
) -> Float32[np.ndarray, "C S"]:
    """Filter each channel by a Butterworth band-pass forwards and backwards, so that nothing is delayed.

    Each stretch between missing samples (NaN) is filtered alone; those too short for the filter become missing.

    Args:
        values: (C, S); NaN where a sample is missing.
        rate: samples per second.
        low: lower corner in Hz, where both passes together have a gain of 1/2.
        high: upper corner in Hz, below half the rate.
        order: order of the prototype: each slope falls by `order` poles in each of the two passes.

    Raises:
        DataError: if the corners do not lie within (0, rate / 2), or no stretch is long enough.

    >>> t = np.arange(1000) / 100
    >>> mixed = np.stack([np.sin(2 * np.pi * t) + 5])  # 1 Hz around an offset
    >>> bool(abs(bandpass(mixed, 100.0, 0.5, 4.0).mean()) < 0.05)
    True
    """
    if not 0 < low < high < rate / 2:
        raise DataError(f"expected a band within (0, {rate / 2:g}) Hz at a rate of {rate:g} Hz, got {low:g} to {high:g} Hz")
    sections = np.asarray(signal.butter(order, (low, high), btype="bandpass", fs=rate, output="sos"))
    # scipy's own choice of how far the ends are continued; a stretch must be longer.
    continued = 3 * (2 * len(sections) + 1)
    filtered = np.full(values.shape, np.nan, np.float32)
    for channel, samples in enumerate(values):
        for start, end in _stretches(~np.isnan(samples)):
            if end - start > continued:
                stretch = samples[start:end].astype(np.float64)
                filtered[channel, start:end] = signal.sosfiltfilt(sections, stretch, padlen=continued)
    if np.isnan(filtered).all():
        raise DataError(
            f"expected a stretch of more than {continued} samples for a band-pass of order {order}, got none among "
            f"{values.shape[1]} samples of {len(values)} channels"
        )
    return filtered


def resample(values: Float[np.ndarray, "C S"], rate: SupportsFloat, new_rate: SupportsFloat) -> Float32[np.ndarray, "C N"]:
    """Bring each channel to another rate by polyphase filters, which remove what lies above the new half rate.

    Units are kept. Sample 0 stays at time 0, and N = ceil(S * new_rate / rate). A new sample is missing where the old sample
    before or after it is; near gaps the filter sees a line drawn across them.

    Args:
        values: (C, S); NaN where a sample is missing.
        rate: samples per second.
        new_rate: samples per second of the result.

    Raises:
        DataError: if a rate is not above 0 and finite, the ratio of rates is too far from 1, or a sample is infinite.

    >>> resample(np.ones((3, 100)), 100, 25).shape
    (3, 25)
    """
    rate, new_rate = float(rate), float(new_rate)  # numpy's float32 is no fraction
    if not (0 < rate < np.inf and 0 < new_rate < np.inf):
        raise DataError(f"expected finite rates above 0 Hz, got {rate:g} and {new_rate:g} Hz")
    ratio = (Fraction(new_rate) / Fraction(rate)).limit_denominator(_LARGEST_RATIO)
    if not 0 < ratio <= _LARGEST_RATIO:
        raise DataError(f"expected rates that differ by less than {_LARGEST_RATIO} times, got {rate:g} and {new_rate:g} Hz")
    num_samples = values.shape[1]
    ratio = _without_drift(ratio, Fraction(new_rate) / Fraction(rate), num_samples)
    if ratio == 1 or num_samples == 0:
        return values.astype(np.float32)
    if np.isinf(values).any():
        raise DataError("infinite samples cannot be resampled; mark missing samples by NaN")
    present = ~np.isnan(values)
    whole = np.stack([_bridge_gaps(samples, known) for samples, known in zip(values, present, strict=True)])
    # The line from the first to the last sample is taken off and put back: no jump to zero at the ends, and constants stay.
    slope = (whole[:, -1:] - whole[:, :1]) / max(num_samples - 1, 1)
    level = signal.resample_poly(
        whole - whole[:, :1] - slope * np.arange(num_samples), ratio.numerator, ratio.denominator, axis=1
    )
    place = np.arange(level.shape[1]) * ratio.denominator / ratio.numerator
    resampled = (level + whole[:, :1] + slope * place).astype(np.float32)
    before = np.floor(place).astype(np.int64)
    after = np.minimum(np.ceil(place).astype(np.int64), num_samples - 1)
    resampled[~(present[:, before] & present[:, after])] = np.nan
    return resampled


def _without_drift(ratio: Fraction, exact: Fraction, num_samples: int) -> Fraction:
    """A ratio of rates in longer steps where the one in short steps would be off by too much at the end of a recording."""
    bound = _LARGEST_RATIO
    while abs(ratio - exact) * num_samples > _MOST_DRIFT and bound < _LONGEST_STEPS:
        bound *= 10
        ratio = exact.limit_denominator(bound)
    return ratio


def _bridge_gaps(samples: Float[np.ndarray, "S"], present: Bool[np.ndarray, "S"]) -> Float[np.ndarray, "S"]:
    """Draw a line across missing samples, level at the ends."""
    if present.all() or not present.any():
        return np.nan_to_num(samples.astype(np.float64))
    return np.interp(np.arange(len(samples)), np.flatnonzero(present), samples[present])


def _stretches(present: Bool[np.ndarray, "S"]) -> list[tuple[int, int]]:
    """Where runs of True start and end (behind the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], present, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
