"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import yaml

from audiossl.errors import ConfigError

NO_ROOM = 2**16  # bytes
MAX_YAML = 1_000_000  # bytes, and values


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
    """Yield a temporary name next to `path` that is renamed to it when the block ends well.

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


def path_text(path: Path) -> str:
    """An absolute path as text that any file format takes: bytes that are not UTF-8 become backslash escapes."""
    return str(path.absolute()).encode(errors="backslashreplace").decode()


def is_same_file(first: str | Path, second: str | Path) -> bool:
    """Tell whether two paths lead to the same place, links followed; neither has to exist.

    >>> is_same_file("a/../b.wav", "b.wav")
    True
    """
    return str(first) == str(second) or os.path.realpath(first) == os.path.realpath(second)


def write_json(path: Path, value: object) -> None:
    """Write JSON, readable by people, by rename."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def parse_json(text: str) -> Any:
    """Read JSON text.

    Raises:
        ValueError: if it is not JSON, or nested more deeply than Python can follow.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return parse_json(path.read_text(encoding="utf-8"))


def map_array(path: Path, mmap: bool = True) -> np.ndarray:
    """Open the array of a .npy file where it lies, or read it.

    Raises:
        ValueError: if it is missing, or no whole array of plain numbers.
    """
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (OSError, EOFError, SyntaxError, TokenError, OverflowError, MemoryError) as error:  # numpy's, on damaged headers
        raise ValueError(f"{type(error).__name__}: {error}") from error


def read_yaml(path: Path) -> Any:
    """Read a short YAML file of plain values.

    Raises:
        ConfigError: if it cannot be read, is not YAML, or is far larger than what people write.
    """
    try:
        if path.stat().st_size > MAX_YAML:
            raise ConfigError(f"{path} has {path.stat().st_size:,} bytes; at most {MAX_YAML:,} are read.")
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        if _size(value, {}) > MAX_YAML:
            raise ConfigError(f"{path} repeats itself into more than {MAX_YAML:,} values; write less with anchors.")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    return value


def _size(value: object, known: dict[int, int]) -> int:
    """Number of values below one, those that anchors repeat counted as often as they come."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        known[id(value)] = MAX_YAML  # of a value that holds itself
        known[id(value)] = 1 + sum(_size(item, known) for item in (value.values() if isinstance(value, dict) else value))
    return known[id(value)]


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write one JSON object a line, by rename."""
    with whole_file(path) as partial:
        partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read one JSON object a line; a missing file is an empty list."""
    # Not `splitlines`: JSON keeps characters such as U+2028 as they are, which that takes for line ends.
    if not path.exists():
        return []
    return [parse_json(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
