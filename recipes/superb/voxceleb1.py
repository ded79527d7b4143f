"""VoxCeleb1 as it is unpacked: {dev,test}/wav/SPEAKER/VIDEO/*.wav, and its lists beside them."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError


def find(root: Path, name: str) -> Path:
    """A file of the corpus by SPEAKER/VIDEO/FILE, in either half.

    Raises:
        DataError: if neither has it.
    """
    for half in ("dev", "test"):
        if (path := root / half / "wav" / name).is_file():
            return path
    raise DataError(f"{root}/dev/wav/{name} is missing, and in test as well; VoxCeleb1's lists name it")
