"""HHAR: nine people, six activities, each with several phones at once at rates of their own; here all at 50 Hz.

"Heterogeneity Activity Recognition" (Stisen et al. 2015). A phone writes its accelerometer and its gyroscope to two files with
time stamps of their own; both are interpolated to one regular grid. Phones and windows are those of arXiv 2510.22655, whose
code leaves the Galaxy S+ ("samsungold") out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int8, Int64
from pyarrow import csv

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.layout import require_files
from audiossl.signals.sensors.recording import Rejected, SensorRecording
from audiossl.signals.sensors.stretches import label_stretches
from audiossl.signals.sensors.turns import in_turn

log = logging.getLogger(__name__)

SOURCE = "url:https://archive.ics.uci.edu/ml/machine-learning-databases/00344/Activity%20recognition%20exp.zip"
MARK = "**/Phones_accelerometer.csv"
FILES = {"acc": "Phones_accelerometer.csv", "gyro": "Phones_gyroscope.csv"}
RATE = 50.0
CHANNELS = tuple(f"{sensor}_{axis}" for sensor in FILES for axis in "xyz")
UNITS = ("m/s^2", "m/s^2", "m/s^2", "rad/s", "rad/s", "rad/s")
ACTIVITIES = {
    "walk": "walking", "stairsup": "upstairs", "stairsdown": "downstairs",
    "sit": "sitting", "stand": "standing", "bike": "biking",
}  # fmt: skip
NAMES = dict(enumerate(ACTIVITIES.values()))
UNLABELLED = "null"
LEFT_OUT = "samsungold"

STEP = 20_000_000  # ns between samples of the grid
MISSING = 100_000_000  # ns: a sample of the grid between two of a sensor that are farther apart is missing
INTERRUPTED = 1_000_000_000  # ns: a hole so long in either sensor ends a recording
RESTARTED = 10_000  # ms that a sample may arrive before one that was created earlier


@dataclass(frozen=True)
class Samples:
    """What one sensor of one phone measured on one person, in the order of `times` (ns), which rise; -1 is no activity."""

    times: Int64[np.ndarray, "S"]
    axes: Float64[np.ndarray, "S 3"]
    labels: Int8[np.ndarray, "S"]


Group = tuple[str, str]  # person and phone


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the recordings, people in turn; those of one person and phone are numbered from 1.

    Raises:
        DataError: if a file is missing or cannot be read.
    """
    folder = next(fetch(SOURCE, data_root=data_root, expect={MARK: 1}).glob(MARK)).parent
    files = [(read_samples(path), path) for path in require_files(folder, FILES.values())]
    found: list[SensorRecording | Rejected] = []
    for person, phone in sorted({key for samples, _ in files for key in samples}):
        try:
            sensors = (_usable(samples.get((person, phone)), path.name, f"{phone} on {person}") for samples, path in files)
            found += _recordings_of(person, phone, *sensors)
        except DataError as error:
            found.append(Rejected(f"{person}_{phone}", f"{folder}: {error}"))
    yield from islice(in_turn(found, lambda one: one.id.partition("_")[0]), limit)


def read_samples(path: Path) -> dict[Group, Samples | DataError]:
    """Return the samples of a file by person and phone, in the order of their creation; of equal times the first is kept.

    A phone whose clock restarted has an error in place of its samples.

    Raises:
        DataError: if the file is not of the form that its authors describe.
    """
    table = _read_table(path)
    person, phone, label = (table[name].combine_chunks() for name in ("User", "Device", "gt"))
    if unknown := set(label.dictionary.to_pylist()) - {*ACTIVITIES, UNLABELLED}:
        raise DataError(f"{path}: expected the labels {', '.join(ACTIVITIES)} and {UNLABELLED}, got {', '.join(sorted(unknown))}")
    place = {name: place for place, name in enumerate(ACTIVITIES)}
    labels = np.array([place.get(name, -1) for name in label.dictionary.to_pylist()], np.int8)[label.indices.to_numpy()]
    arrived, created, *axes = (table[name].to_numpy() for name in ("Arrival_Time", "Creation_Time", *"xyz"))
    samples: dict[Group, Samples | DataError] = {}
    for i, who in enumerate(person.dictionary.to_pylist()):
        for j, which in enumerate(phone.dictionary.to_pylist()):
            rows = np.flatnonzero((person.indices.to_numpy() == i) & (phone.indices.to_numpy() == j))
            if which.startswith(LEFT_OUT):
                log.info("%s: %d samples of %s on %s are left out", path.name, len(rows), which, who)
                continue
            if not len(rows):
                continue
            times, first = np.unique(created[rows], return_index=True)
            rows = rows[first]
            back = np.diff(arrived[rows]).min(initial=0)
            if back < -RESTARTED:
                samples[who, which] = DataError(f"{path.name}: samples arrive {-back / 1e3:.0f} s before ones created earlier")
            else:
                samples[who, which] = Samples(times, np.stack([axis[rows] for axis in axes], axis=1), labels[rows])
    return samples


def _read_table(path: Path) -> pa.Table:
    names = pa.dictionary(pa.int32(), pa.string())
    types = dict.fromkeys(("Arrival_Time", "Creation_Time"), pa.int64()) | dict.fromkeys("xyz", pa.float64())
    types |= dict.fromkeys(("User", "Device", "gt"), names)
    try:
        table = csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=list(types), column_types=types))
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise DataError(f"{path}: {error}") from error
    if not table.num_rows or table["Arrival_Time"].null_count or table["Creation_Time"].null_count:
        raise DataError(f"{path} holds no rows, or rows without a time")
    return table.unify_dictionaries()


def _usable(samples: Samples | DataError | None, file: str, who: str) -> Samples:
    if samples is None:
        raise DataError(f"{file} has no samples of {who}")
    if isinstance(samples, DataError):
        raise samples
    return samples


def _recordings_of(person: str, phone: str, acc: Samples, gyro: Samples) -> list[SensorRecording]:
    shared = [
        (max(start, other_start), min(end, other_end))
        for start, end in _runs(acc.times)
        for other_start, other_end in _runs(gyro.times)
        if max(start, other_start) <= min(end, other_end)
    ]
    if not shared:
        raise DataError(f"{FILES['acc']} and {FILES['gyro']} share no time of {phone} on {person}")
    found = []
    for number, (start, end) in enumerate(shared, start=1):
        grid = np.arange(start, end + 1, STEP)
        labels = acc.labels[_nearest(acc.times, grid)]
        found.append(
            SensorRecording(
                id=f"{person}_{phone}_{number:03d}", subject=person, rate=RATE, channels=CHANNELS, units=UNITS,
                values=np.concatenate([interpolate(acc, grid), interpolate(gyro, grid)]).astype(np.float32),
                annotations={"activity": label_stretches(labels, RATE, NAMES)}, custom={"phone": phone},
            )
        )  # fmt: skip
    return found


def _runs(times: Int64[np.ndarray, "S"]) -> list[tuple[int, int]]:
    """First and last time of every stretch of samples that is not interrupted."""
    breaks = np.flatnonzero(np.diff(times) > INTERRUPTED)
    return list(zip(times[[0, *(breaks + 1)]].tolist(), times[[*breaks, -1]].tolist(), strict=True))


def interpolate(samples: Samples, grid: Int64[np.ndarray, "T"]) -> Float64[np.ndarray, "3 T"]:
    """Return every axis on straight lines between its neighbours in time, NaN where these are too far apart."""
    origin = samples.times[0]  # float64 holds nanoseconds of a session, not those since 1970
    values = np.stack([np.interp(grid - origin, samples.times - origin, axis) for axis in samples.axes.T])
    before, after = _neighbours(samples.times, grid)
    values[:, samples.times[after] - samples.times[before] > MISSING] = np.nan
    return values


def _nearest(times: Int64[np.ndarray, "S"], grid: Int64[np.ndarray, "T"]) -> Int64[np.ndarray, "T"]:
    before, after = _neighbours(times, grid)
    return np.where(grid - times[before] <= times[after] - grid, before, after)


def _neighbours(times: Int64[np.ndarray, "S"], grid: Int64[np.ndarray, "T"]) -> tuple[np.ndarray, np.ndarray]:
    """Places of the last sample at or before each time of the grid, and of the first at or after it."""
    return np.searchsorted(times, grid, side="right") - 1, np.searchsorted(times, grid, side="left")
