"""PPG-DaLiA (UCI 495, CC BY 4.0): heart rate from the wrist of 15 people in daily life, two and a half hours each."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from audiossl.errors import DataError, naming
from audiossl.signals.fetch import fetch
from audiossl.signals.plain_pickle import ByteStream, load_plain_pickle
from audiossl.signals.sensors.filters import bandpass, resample
from audiossl.signals.sensors.heart_rate import heart_rate_windows
from audiossl.signals.sensors.recording import Rejected, SensorRecording

SOURCE = "url:https://archive.ics.uci.edu/static/public/495/ppg+dalia.zip"
INNER = "data.zip"  # the archive holds an archive, which is read without unpacking it
PEOPLE = tuple(f"S{person}" for person in range(1, 16))
ORIGINAL_RATE, RATE = 64.0, 25.0
BAND = (0.5, 4.0)  # Hz


def recordings(data_root: Path | None, limit: int | None) -> Iterator[SensorRecording | Rejected]:
    """Yield one recording a person.

    `data_root` holds `PPG_FieldStudy/S1/S1.pkl` and so on in any subfolders, or `data.zip` as it comes out of the archive.

    Raises:
        DataError: if a file is missing.
    """
    root = data_root if data_root is not None and _is_unpacked(data_root) else fetch(SOURCE, data_root=data_root)
    places = [(person, *_place(root, person)) for person in PEOPLE]
    for person, archive, file in places[:limit]:
        yield _recording(person, archive, file)


def _is_unpacked(folder: Path) -> bool:
    return any(folder.rglob(INNER)) or any(folder.rglob("S1.pkl"))


def _place(root: Path, person: str) -> tuple[Path | None, str]:
    """The person's file: a path, or an archive and the name in it."""
    name = f"{person}/{person}.pkl"
    if files := sorted(root.rglob(name)):
        return None, str(files[0])
    for archive in sorted(root.rglob(INNER)):
        try:
            with zipfile.ZipFile(archive) as inside:
                members = inside.namelist()
        except zipfile.BadZipFile as error:
            raise DataError(f"{archive} is not a whole archive ({error}): remove it and fetch it again") from error
        if found := [member for member in members if f"/{member}".endswith(f"/{name}")]:
            return archive, found[0]
    raise DataError(f"{name} is neither below {root} nor in its {INNER}; see recipes/dalia/README.md")


@contextmanager
def _opened(archive: Path | None, file: str) -> Iterator[ByteStream]:
    if archive is None:
        with Path(file).open("rb") as stream:
            yield stream
    else:
        with zipfile.ZipFile(archive) as inside, inside.open(file) as stream:
            yield stream


def _recording(person: str, archive: Path | None, file: str) -> SensorRecording | Rejected:
    try:
        with _opened(archive, file) as stream:
            content = load_plain_pickle(stream)
        with naming(Path(file)):
            pulse = _array(content, "signal", "wrist", "BVP")
            rates = _array(content, "label").ravel()
            if pulse.ndim != 2 or pulse.shape[1] != 1 or not np.isfinite(pulse).all():
                raise DataError(f"expected finite samples x 1 channel in signal/wrist/BVP, got shape {pulse.shape}")
            return SensorRecording(
                id=person,
                subject=person,
                rate=RATE,
                channels=("ppg",),
                units=("1",),
                values=resample(bandpass(pulse.T, ORIGINAL_RATE, *BAND), ORIGINAL_RATE, RATE),
                annotations={"heart_rate": heart_rate_windows(rates, len(pulse) / ORIGINAL_RATE)},
                custom={"session": person},
            )
    except DataError as error:
        return Rejected(person, str(error))


def _array(content: Any, *keys: str) -> np.ndarray:
    """The array at this path of nested dicts, as float64."""
    for place, key in enumerate(keys):
        if not isinstance(content, dict) or key not in content:
            raise DataError(f"expected the key {'/'.join(keys[: place + 1])}, which is not there")
        content = content[key]
    if not isinstance(content, np.ndarray) or content.dtype.kind not in "fiu":
        raise DataError(f"expected an array of numbers in {'/'.join(keys)}, got {type(content).__name__}")
    return content.astype(np.float64)
