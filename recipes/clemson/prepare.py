"""Clemson pedometer data: every step of 30 people on a walk, seen from the wrist, hip and ankle at 15 Hz."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from audiossl.errors import DataError, naming
from audiossl.signals.fetch import fetch
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording

SOURCE = "url:https://cecas.clemson.edu/tracking/Pedometer/Data.zip"
SHA256 = "ce37832d5e234f6f014193a3a2af2f3162ab90905f303d473849512d690885da"
PEOPLE = tuple(f"P{person:03d}" for person in range(1, 31))
GAIT = "Regular"  # the walk along a path; SemiRegular and Irregular are walks in a building and in a room
RATE = 15.0
WINDOW_SECONDS = 32.0
STEPS = ("left", "right")
SHIFTS = ("leftshift", "rightshift")  # weight moved from foot to foot, no step


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the regular walk of each person.

    `data_root` holds `P001/Regular/...txt` and `P001/Regular/steps.txt`, and so on.

    Raises:
        DataError: if a file is missing.
    """
    unpacked = data_root is not None and (data_root / PEOPLE[0]).is_dir()
    root = data_root if data_root is not None and unpacked else fetch(SOURCE, data_root=data_root, sha256=SHA256)
    files = [(person, *_files(root / person / GAIT)) for person in PEOPLE]
    for person, samples, steps in islice(files, limit):
        yield _recording(person, samples, steps)


def _files(folder: Path) -> tuple[Path, Path]:
    """The samples and the steps of a walk; the name of the former is spelt in several ways."""
    steps = folder / "steps.txt"
    samples = [path for path in sorted(folder.glob("*.txt")) if path != steps]
    if not steps.is_file():
        raise DataError(f"{steps} is not there; see recipes/clemson/README.md")
    if len(samples) != 1:
        raise DataError(f"expected one file of samples beside {steps}, got {len(samples)}; see recipes/clemson/README.md")
    return samples[0], steps


def _recording(person: str, samples: Path, steps: Path) -> SensorRecording | Rejected:
    try:
        with naming(samples):
            wrist = _wrist(samples)
        with naming(steps):
            windows = count_steps(_step_places(steps), wrist.shape[1])
        return SensorRecording(
            id=f"{person}_{GAIT}",
            subject=person,
            rate=RATE,
            channels=("acc_magnitude",),
            units=("g",),
            values=np.sqrt((wrist**2).sum(axis=0, keepdims=True)).astype(np.float32),
            annotations={"steps": windows},
            custom={"session": GAIT},
        )
    except DataError as error:
        return Rejected(f"{person}_{GAIT}", str(error))


def _wrist(path: Path) -> Float64[np.ndarray, "3 S"]:
    """The first three of nine columns: wrist, hip and ankle, x, y and z each."""
    rows = [line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines() if line.strip()]
    if not rows or any(len(row) != 9 for row in rows):
        raise DataError("expected lines of nine numbers")
    try:
        values = np.array(rows, np.float64)
    except ValueError as error:
        raise DataError(f"expected numbers ({error})") from error
    if not np.isfinite(values).all():
        raise DataError("expected finite numbers")
    return values[:, :3].T


def _step_places(path: Path) -> Int64[np.ndarray, "N"]:
    """Lines `1234 left`: at which sample a foot came down. Shifts of weight are left out."""
    rows = [line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines() if line.strip()]
    for row in rows:
        if len(row) != 2 or not row[0].isdigit() or row[1] not in STEPS + SHIFTS:
            raise DataError(f"expected lines such as '1234 left', got '{' '.join(row)}'")
    return np.array([int(place) for place, kind in rows if kind in STEPS], np.int64)


def count_steps(places: Int64[np.ndarray, "N"], num_samples: int) -> tuple[Annotation, ...]:
    """Number of steps in each whole window of 32 s, one after the other.

    Raises:
        DataError: if a step lies outside the recording.
    """
    if (places >= num_samples).any():
        raise DataError(f"a step at sample {places.max()} lies behind the last of {num_samples} samples")
    size = round(WINDOW_SECONDS * RATE)
    counts = np.bincount(places // size, minlength=num_samples // size)[: num_samples // size]
    return tuple(
        Annotation(window * WINDOW_SECONDS, (window + 1) * WINDOW_SECONDS, float(count)) for window, count in enumerate(counts)
    )
