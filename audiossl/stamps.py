"""What a file was when something was made from it: size, time of change and digest."""

from __future__ import annotations

import hashlib
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
