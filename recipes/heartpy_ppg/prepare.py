"""Finger PPG from the wheel of heartpy: fourteen minutes that anybody can fetch, with heart rates from a peak finder."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64
from scipy import signal

from audiossl.errors import DataError, naming
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.filters import bandpass, resample
from audiossl.signals.sensors.heart_rate import HOP_SECONDS, WINDOW_SECONDS, num_windows
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

SOURCE = "pypi:heartpy==1.2.7"
RATE = 25.0
BAND = (0.5, 4.0)  # Hz
SEGMENT_SECONDS = 64.0
MIN_INTERVAL = 0.4  # s between beats: up to 150 beats per minute; none of the recordings is of exercise
MIN_BEATS = 5
MAX_DEVIATION = 0.3  # of an interval from the median of its window


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield segments of about 64 s of three recordings, each as a subject of its own. They are not people: see the README.

    Raises:
        DataError: if a file is missing.
    """
    folder = fetch(SOURCE, data_root=data_root) / "heartpy" / "data"
    for name in READERS:
        if not (folder / f"{name}.csv").is_file():
            raise DataError(f"{folder / f'{name}.csv'} is not there; see recipes/heartpy_ppg/README.md")
    return islice((item for name, read in READERS.items() for item in _segments(folder / f"{name}.csv", read)), limit)


def _segments(path: Path, read: Callable[[Path], tuple[Float64[np.ndarray, "S"], float]]) -> Iterator[SensorRecording | Rejected]:
    try:
        with naming(path):
            samples, rate = read(path)
            if not np.isfinite(samples).all():
                raise DataError("expected finite samples")
            filtered = bandpass(samples[None], rate, *BAND)
            beats = find_beats(filtered[0], rate)
            values = resample(filtered, rate, RATE)
    except DataError as error:
        yield Rejected(path.stem, str(error))
        return
    parts = max(1, round(len(samples) / rate / SEGMENT_SECONDS))
    edges = np.linspace(0, values.shape[1], parts + 1).round().astype(int)
    for part, (start, end) in enumerate(pairwise(edges)):
        yield SensorRecording(
            id=f"{path.stem}_{part:02d}",
            subject=f"{path.stem}_{part:02d}",
            rate=RATE,
            channels=("ppg",),
            units=("1",),
            values=values[:, start:end],
            annotations={"heart_rate": pseudo_rates(beats - start / RATE, (end - start) / RATE)},
            custom={"session": path.stem},
        )


def find_beats(pulse: Float[np.ndarray, "S"], rate: float) -> Float64[np.ndarray, "N"]:
    """Times of beats in seconds: peaks of a band-passed pulse that stand out by its own size in the 8 s around them."""
    span = round(WINDOW_SECONDS * rate)
    power = signal.fftconvolve(pulse.astype(np.float64) ** 2, np.ones(span) / span, mode="same")
    size = np.sqrt(np.maximum(power, 1e-12 * power.max()))
    peaks, _ = signal.find_peaks(pulse / size, distance=max(1, round(MIN_INTERVAL * rate)), prominence=1.0)
    return peaks / rate


def pseudo_rates(beats: Float64[np.ndarray, "N"], seconds: float) -> tuple[Annotation, ...]:
    """Heart rate of 8 s windows every 2 s, from the mean interval; windows with few or uneven beats have none."""
    found = []
    for start in HOP_SECONDS * np.arange(num_windows(seconds)):
        intervals = np.diff(beats[(beats >= start) & (beats < start + WINDOW_SECONDS)])
        if len(intervals) >= MIN_BEATS - 1 and (np.abs(intervals / np.median(intervals) - 1) < MAX_DEVIATION).all():
            found.append(Annotation(float(start), float(start + WINDOW_SECONDS), float(60 / intervals.mean())))
    return tuple(found)


def _plain(path: Path) -> tuple[Float64[np.ndarray, "S"], float]:
    """A number a line; heartpy's documentation says 100 Hz."""
    return _numbers(path.read_text(encoding="utf-8").split()), 100.0


def _timed(path: Path) -> tuple[Float64[np.ndarray, "S"], float]:
    """Columns `timer`, milliseconds, and `hr`, the pulse."""
    return _with_rate(_column(path, "hr"), _numbers(_column(path, "timer")) / 1000)


def _dated(path: Path) -> tuple[Float64[np.ndarray, "S"], float]:
    """Columns `datetime`, to 16 ms, and `hr`, the pulse."""
    try:
        times = [datetime.fromisoformat(text) for text in _column(path, "datetime")]
    except ValueError as error:
        raise DataError(f"expected dates and times ({error})") from error
    return _with_rate(_column(path, "hr"), np.array([(time - times[0]).total_seconds() for time in times]))


def _with_rate(pulse: list[str], times: Float64[np.ndarray, "S"]) -> tuple[Float64[np.ndarray, "S"], float]:
    """Samples are evenly spaced to within what the clocks show, so that the rate is the mean one."""
    steps = np.diff(times)
    if len(steps) == 0 or not (steps >= 0).all() or steps.max() > 0.1 or times[-1] <= times[0]:
        raise DataError("expected times that go on without gaps of more than 0.1 s")
    return _numbers(pulse), len(steps) / float(times[-1] - times[0])


def _column(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or any(row.get(name) is None for row in rows):
        raise DataError(f"expected a column {name} in every row")
    return [row[name] for row in rows]


def _numbers(texts: list[str]) -> Float64[np.ndarray, "S"]:
    try:
        return np.array(texts, np.float64)
    except ValueError as error:
        raise DataError(f"expected numbers ({error})") from error


READERS = {"data": _plain, "data2": _timed, "data3": _dated}
