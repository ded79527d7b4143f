"""USC-HAD: 14 people with a sensor on the hip, 12 activities, five trials of each, 840 recordings at 100 Hz.

The USC Human Activity Dataset (Zhang and Sawchuk 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from scipy.io import loadmat

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.layout import require_files
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.turns import in_turn

SOURCE = "url:https://sipi.usc.edu/had/USC-HAD.zip"
MARK = "**/Subject1/a1t1.mat"
RATE = 100.0
PEOPLE, TRIALS = 14, 5
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
UNITS = ("g", "g", "g", "deg/s", "deg/s", "deg/s")
ACTIVITIES = (
    "walking_forward", "walking_left", "walking_right", "walking_upstairs", "walking_downstairs", "running_forward",
    "jumping_up", "sitting", "standing", "sleeping", "elevator_up", "elevator_down",
)  # fmt: skip


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the recordings, people in turn; person, activity and trial are those of the file's name.

    The name is taken and not the fields inside, since one of them is misspelt in a file of Subject13.

    Raises:
        DataError: if a file is missing.
    """
    root = next(fetch(SOURCE, data_root=data_root, expect={MARK: 1}).glob(MARK)).parent.parent
    trials = [
        (person, number, trial)
        for trial in range(1, TRIALS + 1)
        for person in range(1, PEOPLE + 1)
        for number in range(1, len(ACTIVITIES) + 1)
    ]
    paths = require_files(root, [f"Subject{person}/a{number}t{trial}.mat" for person, number, trial in trials])
    for (person, number, trial), path in islice(in_turn(zip(trials, paths, strict=True), lambda pair: pair[0][0]), limit):
        subject, activity = f"subject{person:02d}", ACTIVITIES[number - 1]
        id_ = f"{subject}_{activity}_{trial}"
        try:
            values = read_trial(path)
            yield SensorRecording(
                id=id_, subject=subject, rate=RATE, channels=CHANNELS, units=UNITS, values=values,
                annotations={"activity": (Annotation(0.0, values.shape[1] / RATE, activity),)}, custom={"trial": str(trial)},
            )  # fmt: skip
        except DataError as error:
            yield Rejected(id_, f"{path}: {error}")


def read_trial(path: Path) -> Float32[np.ndarray, "C S"]:
    """Return the signals of a `.mat` file.

    Raises:
        DataError: if it cannot be read or holds no `sensor_readings` of six columns.
    """
    try:
        content = loadmat(str(path), variable_names=["sensor_readings"])
    except Exception as error:  # a damaged file can fail in any way
        raise DataError(f"cannot be read ({type(error).__name__}: {error})") from error
    readings = np.asarray(content.get("sensor_readings", np.empty(0)))
    if readings.ndim != 2 or readings.shape[1] != len(CHANNELS) or not len(readings) or readings.dtype.kind not in "iuf":
        raise DataError(f"expected 'sensor_readings' (S, {len(CHANNELS)}), got {readings.shape} of {readings.dtype}")
    return readings.T.astype(np.float32)
