"""Files on this disk or in an object store: list, open, and read a range of bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from audiossl.errors import DataError, MissingExtraError, import_extra

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/+")  # two letters or more: C:/ is a disk


def location(path: str | Path) -> str:
    """Return a path on this disk or a URL as a string; a URL that went through `Path` gets its second slash back.

    >>> location(Path("s3://bucket/folder"))
    's3://bucket/folder'
    >>> location("file:///data/shar")
    '/data/shar'
    """
    text = str(path)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    if scheme[1] == "file":
        return "/" + text[scheme.end() :]
    return f"{scheme[1]}://{text[scheme.end() :]}"


def is_remote(place: str) -> bool:
    """Tell whether a location is a URL, which fsspec reads."""
    return "://" in place


def list_names(folder: str) -> list[str]:
    """Names of what is in a folder, in order; none where there is no such folder.

    Raises:
        DataError: if the store cannot be reached.
        MissingExtraError: if fsspec, or its part for this kind of store, is not installed.
    """
    if not is_remote(folder):
        return sorted(entry.name for entry in Path(folder).iterdir()) if Path(folder).is_dir() else []
    system, path = _file_system(folder)
    with _named_errors(folder):
        try:
            return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in system.ls(path, detail=False))
        except FileNotFoundError:
            return []


@contextmanager
def open_binary(place: str) -> Iterator[BinaryIO]:
    """Open a file for reading and seeking.

    Raises:
        DataError: if it cannot be read.
    """
    with _named_errors(place):
        if not is_remote(place):
            with Path(place).open("rb") as file:
                yield file
        else:
            system, path = _file_system(place)
            with system.open(path, "rb") as file:
                yield cast(BinaryIO, file)


def read_range(place: str, first: int, size: int) -> bytes:
    """Read `size` bytes from byte `first` on; fewer where the file ends before.

    Raises:
        DataError: if the file cannot be read.
    """
    if is_remote(place):
        system, path = _file_system(place)
        with _named_errors(place):
            return system.cat_file(path, start=first, end=first + size)
    with open_binary(place) as file:
        file.seek(first)
        return file.read(size)


def read_ranges(place: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Read bytes `first` to `last` (exclusive) of a file for each range; an object store is asked for many at once.

    Raises:
        DataError: if the file cannot be read.
    """
    if is_remote(place):
        system, path = _file_system(place)
        with _named_errors(place):
            firsts, lasts = [first for first, _ in ranges], [last for _, last in ranges]
            return system.cat_ranges([path] * len(ranges), firsts, lasts, on_error="raise") if ranges else []
    found = []
    with open_binary(place) as file:
        for first, last in ranges:
            file.seek(first)
            found.append(file.read(last - first))
    return found


def file_size(place: str) -> int:
    """Return the bytes of a file.

    Raises:
        DataError: if it cannot be reached.
    """
    with _named_errors(place):
        if is_remote(place):
            system, path = _file_system(place)
            return int(system.size(path))
        return Path(place).stat().st_size


def stamp(place: str) -> str:
    """Return what distinguishes this state of a file from another: size and time, or what the store knows it by.

    Raises:
        DataError: if the file cannot be reached.
    """
    with _named_errors(place):
        if is_remote(place):
            system, path = _file_system(place)
            return str(system.ukey(path))
        status = Path(place).stat()
        return f"{status.st_size} {status.st_mtime_ns}"


def _file_system(place: str) -> tuple[Any, str]:
    fsspec: Any = import_extra("fsspec", "remote")
    try:
        return fsspec.core.url_to_fs(place)
    except ImportError as error:  # fsspec has a package for each kind of store
        raise MissingExtraError(f'{place} cannot be opened: {error}. Install it with: pip install "audiossl[remote]"') from error
    except ValueError as error:
        raise DataError(f"{place} cannot be opened: {error}") from error


@contextmanager
def _named_errors(place: str) -> Iterator[None]:
    try:
        yield
    except (DataError, MissingExtraError):
        raise
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # The clients of object stores have error classes of their own, which are not known here.
        if not is_remote(place):
            raise
        raise DataError(f"{place} cannot be read ({type(error).__name__}: {error})") from error
