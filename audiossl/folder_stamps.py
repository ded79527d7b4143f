"""Stamps of all files of a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from audiossl.stamps import Stamp, stamp


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
