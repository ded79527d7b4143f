"""IEEE Signal Processing Cup 2015, training part: heart rate from the wrist of 12 people on a treadmill, 125 Hz."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from audiossl.errors import DataError, naming
from audiossl.signals.mat_file import load_matrix
from audiossl.signals.sensors.filters import bandpass, resample
from audiossl.signals.sensors.heart_rate import heart_rate_windows
from audiossl.signals.sensors.recording import Rejected, SensorRecording

SESSIONS = ("DATA_01_TYPE01", *(f"DATA_{person:02d}_TYPE02" for person in range(2, 13)))
ORIGINAL_RATE, RATE = 125.0, 25.0
BAND = (0.5, 4.0)  # Hz


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield the 12 sessions in order; each is another person.

    Raises:
        DataError: if a file is missing.
    """
    return islice(training_sessions(data_root), limit)


def training_sessions(data_root: Path | None) -> Iterator[SensorRecording | Rejected]:
    """The 12 sessions, read one by one after a look at whether all files are there."""
    files = {name: (find(data_root, name), find(data_root, f"{name}_BPMtrace")) for name in SESSIONS}
    # Rows: chest ECG, two PPG channels, acceleration x, y, z.
    return (session(name, subject=f"train{name[5:7]}", files=pair, ppg_rows=(1, 2), num_rows=6) for name, pair in files.items())


def find(data_root: Path | None, name: str) -> Path:
    """The file of this name below the folder, in whatever archive's subfolder it was unpacked."""
    if data_root is None:
        raise DataError(
            f"expected data_root=FOLDER with {name}.mat of the Signal Processing Cup: there is no address left that we could "
            "vouch for, see recipes/ieee_spc12/README.md"
        )
    found = sorted(data_root.rglob(f"{name}.mat"))
    if not found:
        raise DataError(f"{name}.mat is not below {data_root}; recipes/ieee_spc12/README.md names the archives")
    return found[0]


def session(
    name: str, subject: str, files: tuple[Path, Path], ppg_rows: tuple[int, int], num_rows: int
) -> SensorRecording | Rejected:
    """One session: the mean of both PPG channels, and the heart rate from the ECG for each window.

    Args:
        name: of the session, and id of the recording.
        subject: who it is.
        files: with the matrix `sig` (channels x samples at 125 Hz), and with `BPM0` (windows x 1).
        ppg_rows: places of the PPG channels in `sig`.
        num_rows: how many rows `sig` has.
    """
    try:
        signal, rates = load_matrix(files[0], "sig"), load_matrix(files[1], "BPM0")
        if len(signal) != num_rows or not np.isfinite(signal).all():
            raise DataError(f"{files[0].name}: expected {num_rows} rows of finite samples, got shape {signal.shape}")
        with naming(files[1]):
            windows = heart_rate_windows(rates.ravel(), signal.shape[1] / ORIGINAL_RATE)
        with naming(files[0]):
            pulse = mean_pulse(signal[list(ppg_rows)])
        return SensorRecording(
            id=name,
            subject=subject,
            rate=RATE,
            channels=("ppg",),
            units=("1",),
            values=pulse,
            annotations={"heart_rate": windows},
            custom={"session": name},
        )
    except DataError as error:
        return Rejected(name, str(error))


def mean_pulse(ppg: Float64[np.ndarray, "C S"]) -> Float32[np.ndarray, "1 N"]:
    """Band-passed channels, each scaled to a range of 1, averaged, at 25 Hz."""
    filtered = bandpass(ppg, ORIGINAL_RATE, *BAND)
    ranges = np.ptp(filtered, axis=1, keepdims=True)
    if not (ranges > 0).all():
        raise DataError("a PPG channel is constant")
    return resample((filtered / ranges).mean(axis=0, keepdims=True), ORIGINAL_RATE, RATE)
