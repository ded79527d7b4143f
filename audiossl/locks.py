"""Locks between processes that share a folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from audiossl.errors import ConfigError, StoreError


@contextmanager
def only_user(folder: Path) -> Iterator[None]:
    """Refuse a second run on a folder, in this process or another, where the system has file locks.

    Unlike `file_lock` this does not wait: the second would do what the first has done. The lock lies next to the folder, which
    may be replaced as a whole, and names its holder; the system frees it when its holder dies, however that happens.

    Raises:
        StoreError: if another has the folder; the message says who, and since when.
        ConfigError: if the lock cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    whole = folder.resolve()
    path = whole.with_name(f".{whole.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot write the output folder {folder}: {error.strerror}. Choose another with output=DIR or --out DIR."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(_refusal(folder, file)) from error
        except OSError:  # some network file systems have no locks
            pass
        # Its last holder may have removed the file since it was opened, and the next have made another.
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise StoreError(_refusal(folder, file))
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": platform.node(), "since": time.time()}))
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # also for forked workers, which share the handle


def _refusal(folder: Path, file: IO[str]) -> str:
    file.seek(0)
    try:
        owner = json.loads(file.read())
        minutes = max(0.0, time.time() - owner["since"]) / 60  # clocks may go back
        who = f"process {owner['pid']} on {owner['host']}, for {minutes:.0f} min"
    except (ValueError, KeyError, TypeError):  # it has just begun, or just ended
        who = "another process"
    return f"{folder} is in use by {who}. Wait until it ends, or choose another folder."
