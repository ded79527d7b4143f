"""BasicMotions: four unnamed students with a watch, four activities, 80 recordings of 10 s at 10 Hz.

A set of the UEA archive as it lies in the wheel aeon (BSD-3-Clause), of which nothing is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.turns import in_turn

SOURCE = "pypi:aeon==1.6.0"
FILES = {side: f"aeon/datasets/data/BasicMotions/BasicMotions_{side.upper()}.ts" for side in ("train", "test")}
RATE = 10.0
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
UNITS = ("1",) * 6  # the archive names none


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the recordings of both sides, activities in turn; who was recorded is not known, so each has a subject of its own.

    Raises:
        DataError: if a file is missing or its header is of another form.
    """
    root = fetch(SOURCE, data_root=data_root, expect=dict.fromkeys(FILES.values(), 1))
    cases = [
        (root / file, side, number, line, classes)
        for side, file in FILES.items()
        for lines, classes in [read_ts(root / file)]
        for number, line in enumerate(lines, start=1)
    ]
    for path, side, number, line, classes in islice(in_turn(cases, lambda case: (case[1], case[3].rpartition(":")[2])), limit):
        id_ = f"{side}_{number:02d}"
        try:
            values, activity = read_case(line, classes)
            yield SensorRecording(
                id=id_, subject=id_, rate=RATE, channels=CHANNELS, units=UNITS, values=values,
                annotations={"activity": (Annotation(0.0, values.shape[1] / RATE, activity),)}, custom={"side": side},
            )  # fmt: skip
        except (DataError, ValueError) as error:
            yield Rejected(id_, f"{path}, case {number}: {error}")


def read_ts(path: Path) -> tuple[list[str], list[str]]:
    """Return the lines of the cases of a `.ts` file, and its classes.

    Raises:
        DataError: if it does not say what it holds, or that is not six channels with classes.
    """
    header, marker, body = path.read_text(encoding="utf-8").partition("@data\n")
    fields = {line[1:].partition(" ")[0]: line.partition(" ")[2] for line in header.splitlines() if line.startswith("@")}
    labelled, _, classes = fields.get("classLabel", "").partition(" ")
    if not marker or labelled != "true" or fields.get("timeStamps") != "false" or fields.get("dimensions") != str(len(CHANNELS)):
        raise DataError(f"{path}: expected a .ts file of {len(CHANNELS)} dimensions with classes and without time stamps")
    return [line for line in body.splitlines() if line.strip()], classes.split()


def read_case(line: str, classes: list[str]) -> tuple[Float32[np.ndarray, "C S"], str]:
    """Read `CHANNEL:CHANNEL:...:CLASS`, channels being numbers with commas between, `?` where one is missing.

    Raises:
        DataError: if channels are of different lengths or the class is unknown.
        ValueError: if something is not a number.
    """
    *channels, activity = line.strip().split(":")
    if activity not in classes:
        raise DataError(f"expected one of the classes {', '.join(classes)}, got '{activity[:40]}'")
    rows = [[np.nan if number.strip() == "?" else float(number) for number in channel.split(",")] for channel in channels]
    if len({len(row) for row in rows}) != 1:
        raise DataError(f"expected channels of one length, got {[len(row) for row in rows]}")
    return np.array(rows, np.float32), activity
