"""Make the isolated environments of other people's kits, or check those that are there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from audiossl.kits.environments import build_kit, check_kit


@dataclass(frozen=True)
class MadeKit:
    """An environment that is there.

    Attributes:
        home: its folder.
        size: bytes of its files.
        seconds: seconds that it took to make or check it.
    """

    home: Path
    size: int
    seconds: float


def make_kit(name: str, folder: Path | None = None) -> MadeKit:
    """Make the environment of a kit if it is not there, and check the versions of its packages.

    Takes minutes, some GB and pip's own settings and cache.

    Args:
        name: "s3prl", "hear" or "mteb".
        folder: folder of all environments; by default `$AUDIOSSL_KITS`, or `kits` in the cache of audiossl.

    Raises:
        ConfigError: if there is no kit of that name, or pip fails; the message holds pip's last lines.
        StoreError: if a package has another version than it was made with.

    >>> make_kit("espnet")
    Traceback (most recent call last):
    ...
    audiossl.errors.ConfigError: ...
    """
    begin = time.monotonic()
    home = build_kit(name, folder)
    check_kit(name, folder)
    size = sum(path.lstat().st_size for path in home.rglob("*") if not path.is_dir())
    return MadeKit(home, size, time.monotonic() - begin)
