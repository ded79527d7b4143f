"""UCI HAR: 30 people with a phone on the waist, six activities, 10,299 windows of 2.56 s at 50 Hz.

"Human Activity Recognition Using Smartphones" (Anguita et al. 2013). The authors distribute filtered windows that overlap by
half, not the recordings; the recordings are those of HAPT, whose people have the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.layout import require_files
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.turns import in_turn

SOURCE = "url:https://archive.ics.uci.edu/ml/machine-learning-databases/00240/UCI%20HAR%20Dataset.zip"
MARK = "**/train/subject_train.txt"
RATE = 50.0
WINDOW = 128
SIDES = ("train", "test")
SENSORS = {"acc": ("total_acc", "g"), "gyro": ("body_gyro", "rad/s"), "body_acc": ("body_acc", "g")}
CHANNELS = tuple(f"{sensor}_{axis}" for sensor in SENSORS for axis in "xyz")
UNITS = tuple(unit for _, unit in SENSORS.values() for _ in "xyz")
ACTIVITIES = {"1": "walking", "2": "upstairs", "3": "downstairs", "4": "sitting", "5": "standing", "6": "lying"}


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield every window as a recording, people in turn; windows are numbered by their lines in the files of a side.

    Raises:
        DataError: if a file is missing, or the files of a side have different numbers of lines.
    """
    root = next(fetch(SOURCE, data_root=data_root, expect={MARK: 1}).glob(MARK)).parent.parent
    windows = [(side, number, *parts) for side in SIDES for number, parts in enumerate(_lines(root, side), start=1)]
    for side, number, person, activity, *rows in islice(in_turn(windows, lambda window: window[2]), limit):
        id_ = f"{side}_{number:05d}"
        try:
            yield SensorRecording(
                id=id_, subject=f"user{_number(person):02d}", rate=RATE, channels=CHANNELS, units=UNITS, values=_values(rows),
                annotations={"activity": (Annotation(0.0, WINDOW / RATE, _activity(activity)),)}, custom={"side": side},
            )  # fmt: skip
        except DataError as error:
            yield Rejected(id_, f"{root / side}, line {number} of its files: {error}")


def _lines(root: Path, side: str) -> list[tuple[str, ...]]:
    """For every window its lines of the files of one side: person, activity and nine signals."""
    signals = [f"{side}/Inertial Signals/{file}_{axis}_{side}.txt" for file, _ in SENSORS.values() for axis in "xyz"]
    paths = require_files(root, [f"{side}/subject_{side}.txt", f"{side}/y_{side}.txt", *signals])
    columns = [path.read_text(encoding="ascii", errors="replace").splitlines() for path in paths]
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{path.name} {len(column)}" for path, column in zip(paths, columns, strict=True))
        raise DataError(f"{root / side}: expected files of one number of lines, a line for each window, got {counts}")
    return list(zip(*columns, strict=True))


def _values(rows: list[str]) -> Float32[np.ndarray, "C S"]:
    for file, row in zip((f"{file}_{axis}" for file, _ in SENSORS.values() for axis in "xyz"), rows, strict=True):
        if len(row.split()) != WINDOW:
            raise DataError(f"expected {WINDOW} numbers in {file}, got {len(row.split())}")
    try:
        return np.array([row.split() for row in rows], np.float32)
    except ValueError as error:
        raise DataError(str(error)) from error


def _number(person: str) -> int:
    if not person.strip().isdecimal():
        raise DataError(f"expected the number of a person, got {person!r}")
    return int(person)


def _activity(label: str) -> str:
    if label.strip() not in ACTIVITIES:
        raise DataError(f"expected an activity from 1 to 6, got {label!r}")
    return ACTIVITIES[label.strip()]
