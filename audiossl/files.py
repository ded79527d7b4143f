"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError

NO_ROOM = 2**16  # bytes


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that replaces it when the block ends well.

    A block that fails leaves `path` as it was; what it had written stays in the `.partial` folder until the next try.

    Raises:
        ConfigError: if the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"cannot write the output folder {path}: {error.strerror}. Choose another with output=DIR.") from error
    yield partial
    if path.exists():
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        partial.rename(path)
        shutil.rmtree(old)
    else:
        partial.rename(path)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that is renamed to it when the block ends well.

    Raises:
        ConfigError: if the folder of the file cannot be written.
        OSError: for a full disk, also where the library that writes calls it something else.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}. Choose another output folder.") from error
    try:
        yield partial
    except BaseException as error:
        no_room = os.strerror(errno.ENOSPC)
        is_full = no_room in str(error) or _is_full(path.parent)  # before the file gives its room back
        partial.unlink(missing_ok=True)
        if is_full and isinstance(error, Exception) and not isinstance(error, OSError):
            raise OSError(errno.ENOSPC, no_room, str(path)) from error
        raise
    partial.replace(path)


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < NO_ROOM
    except OSError:
        return False


def write_json(path: Path, value: Any) -> None:
    """Write JSON, readable by people, by rename."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one JSON object a line, by rename."""
    with whole_file(path) as partial:
        partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read one JSON object a line; a missing file is an empty list."""
    # Not `splitlines`: JSON keeps characters such as U+2028 as they are, which that takes for line ends.
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
