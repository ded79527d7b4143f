"""seglearn: 10 people with a watch on either wrist, seven shoulder exercises of 20 repetitions each, 140 recordings at 50 Hz.

From the wheel seglearn (BSD-3-Clause), which carries part of the data of Burns et al. 2018 (arXiv 1802.01489). Nothing of the
package is imported. It names no units: the accelerations have the length 1 at rest, so g, and the rates fit rad/s.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch
from audiossl.signals.plain_pickle import load_plain_pickle
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.turns import in_turn

SOURCE = "pypi:seglearn==1.2.5"
FILE = "seglearn/data/watch_dataset.npy"
RATE = 50.0
COLUMNS = ["ax", "ay", "az", "wx", "wy", "wz"]
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
UNITS = ("g", "g", "g", "rad/s", "rad/s", "rad/s")
SIDES = {0: "left", 1: "right"}
LISTS = ("X", "y", "subject", "side")


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the recordings, people in turn; each is one exercise of one arm.

    Raises:
        DataError: if the package's one data file is missing, cannot be read or lacks a part.
    """
    path = fetch(SOURCE, data_root=data_root, expect={FILE: 1}) / FILE
    content = read_object(path)
    if not isinstance(content, dict) or not {*LISTS, "X_labels", "y_labels"} <= content.keys():
        raise DataError(f"{path}: expected a dict with {', '.join(LISTS)}, X_labels and y_labels")
    if list(content["X_labels"]) != COLUMNS or len({len(content[name]) for name in LISTS}) > 1:
        raise DataError(f"{path}: expected columns {COLUMNS} and as many labels as signals, got {list(content['X_labels'])}")
    exercises = dict(enumerate(content["y_labels"]))
    found = zip(*(content[name] for name in LISTS), strict=True)
    for signals, label, person, side in islice(in_turn(found, lambda item: int(item[2])), limit):
        id_ = f"subject{int(person):02d}_{exercises.get(int(label), label)}_{SIDES.get(int(side), side)}"
        try:
            yield _recording(id_, int(person), np.asarray(signals), exercises.get(int(label)), SIDES.get(int(side)))
        except DataError as error:
            yield Rejected(id_, f"{path}: {error}")


def _recording(id_: str, person: int, signals: np.ndarray, exercise: str | None, side: str | None) -> SensorRecording:
    if exercise is None or side is None:
        raise DataError(f"{id_}: its exercise or side is not one that the file lists")
    if signals.ndim != 2 or signals.shape[1] != len(CHANNELS) or signals.dtype.kind not in "iuf":
        raise DataError(f"{id_}: expected signals (S, {len(CHANNELS)}), got {signals.shape} of {signals.dtype}")
    return SensorRecording(
        id=id_, subject=f"subject{person:02d}", rate=RATE, channels=CHANNELS, units=UNITS, values=signals.T.astype(np.float32),
        annotations={"activity": (Annotation(0.0, len(signals) / RATE, exercise),)}, custom={"side": side},
    )  # fmt: skip


def read_object(path: Path) -> Any:
    """Return the one Python object of an `.npy` file, without running what its pickle names.

    Raises:
        DataError: if it is no such file, or holds more than plain values and arrays.
    """
    with path.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read_header(stream)
        except ValueError as error:
            raise DataError(f"{path} is not an .npy file: {error}") from error
        if shape != () or dtype != np.dtype(object):
            raise DataError(f"{path}: expected one object, got an array of {dtype} of shape {shape}")
        return load_plain_pickle(stream).item()
