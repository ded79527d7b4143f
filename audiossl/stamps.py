"""What a file was when something was made from it: size, time of change and digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

CHUNK = 2**20


class Stamp(NamedTuple):
    """State of a file; two stamps are of the same content if size and digest agree.

    Attributes:
        size: bytes.
        modified: time of the last change, nanoseconds since 1970.
        digest: BLAKE2 of the content, 32 hexadecimal digits.
    """

    size: int
    modified: int
    digest: str


def digest(path: Path) -> str:
    """Compute the BLAKE2 digest of a file's content, links followed."""
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def stamp(path: Path, known: Stamp | None = None) -> Stamp:
    """Stamp a file; it is read only if its size or its time differ from a known stamp.

    Args:
        path: file, links followed.
        known: an earlier stamp of the same file.

    Raises:
        OSError: if the file cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> _ = path.write_text("one")
    >>> stamp(path).size
    3
    """
    about = path.stat()
    if known is not None and (about.st_size, about.st_mtime_ns) == known[:2]:
        return known
    return Stamp(about.st_size, about.st_mtime_ns, digest(path))


def has_changed(path: Path, known: Stamp, verify: bool = False) -> bool:
    """Tell whether a file holds something else than when it was stamped; a file that is gone has changed.

    Args:
        path: file, links followed.
        known: stamp of the file as it was.
        verify: compare contents even where size and time are unchanged.
    """
    try:
        now = stamp(path, None if verify else known)
    except OSError:
        return True
    return (now.size, now.digest) != (known.size, known.digest)


def folder_stamps(
    folder: Path,
    known: Mapping[str, Stamp] | None = None,
    leave_out: Callable[[Path], bool] | None = None,
    most_bytes: int | None = None,
) -> dict[str, Stamp]:
    """Stamp every file below a folder, by its path there; linked folders are entered once.

    Args:
        folder: folder to be walked.
        known: earlier stamps, by path in the folder; files of the same size and time are not read again.
        leave_out: says which files and folders do not count.
        most_bytes: the smallest files are read up to so many bytes together; the stamps of the others have an empty digest.
    """
    known, found, sizes, entered = known or {}, {}, {}, set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in entered:  # a link back to a folder above
            folders.clear()
            continue
        entered.add(real)
        if leave_out is not None:
            folders[:] = [name for name in folders if not leave_out(Path(place, name))]
        for name in files:
            path = Path(place, name)
            if path.is_file() and not (leave_out is not None and leave_out(path)):  # not a broken link, socket or device
                sizes[path] = path.stat().st_size
    taken = 0
    for path, size in sorted(sizes.items(), key=lambda item: (item[1], item[0])):
        key, taken = path.relative_to(folder).as_posix(), taken + size
        if most_bytes is not None and taken > most_bytes:
            found[key] = Stamp(size, path.stat().st_mtime_ns, "")
        else:
            earlier = known.get(key)
            found[key] = stamp(path, earlier if earlier is not None and earlier.digest else None)
    return dict(sorted(found.items()))


def is_same(one: Stamp, other: Stamp) -> bool:
    """Tell whether two stamps are of the same content: by digest, and where one has none, by time."""
    same = one.digest == other.digest if one.digest and other.digest else one.modified == other.modified
    return one.size == other.size and same
