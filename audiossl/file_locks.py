"""A lock on a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audiossl.errors import ConfigError


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Keep other processes and threads that lock the same file out of the block, where the system has file locks.

    Raises:
        ConfigError: if the file cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        file = path.open("w")
    except OSError as error:
        raise ConfigError(
            f"cannot write in the folder {path.parent}: {error.strerror}. Choose a folder that you may write"
        ) from error
    with file:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
