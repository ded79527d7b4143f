"""Where the items of a tar begin, as lhotse 2 notes it: in an index beside each tar, or in one pack for many.

An index NAME.tar.idx holds little-endian 64-bit offsets: the begin of each item, a pair of data and description, and at last the
size of the tar. A pack of version 2 or 3 holds such tables for many files; its layout is that of lhotse's index_pack.py.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from audiossl.errors import DataError
from audiossl.signals.fetching.storage import open_binary, stamp

INDEX, PACK = ".idx", ".idxpack"
_MAGIC = b"IDXPACK2"
_HEADER = struct.Struct("<8sIIQQQQQQQQQQ32s")
_SEGMENT = struct.Struct("<QQIIQQQII")  # path, offsets, length of path, flags, count, size of source, bytes of offsets, ...
_OTHER_SEGMENT = 3  # flags of segments without offsets: a path only, or an array


def read_offsets(place: str, tar: str) -> Int[np.ndarray, "_"] | None:
    """Read where the items of a tar begin, and at last its size; None where a pack does not name the tar.

    Args:
        place: place of the index or the pack.
        tar: place of the tar; a pack may know it by another folder, then its name counts.

    Raises:
        DataError: if the file cannot be read, or is no such index.
    """
    if place.endswith(PACK):
        return _find(_read_pack(place, stamp(place)), tar)
    with open_binary(place) as file:
        return _offsets(file.read(), place)


def _offsets(data: bytes, place: str) -> Int[np.ndarray, "_"]:
    if len(data) < 8 or len(data) % 8:
        raise DataError(f"{place} is no index of lhotse: it has {len(data)} bytes, expected 8 for each item and 8 more.")
    offsets = np.frombuffer(data, "<u8").astype(np.int64)
    if offsets[0] < 0 or (np.diff(offsets) < 0).any():
        raise DataError(f"{place} is no index of lhotse: its offsets do not grow.")
    return offsets


def _find(tables: dict[str, Int[np.ndarray, "_"]], tar: str) -> Int[np.ndarray, "_"] | None:
    if tar in tables:
        return tables[tar]
    name = tar.rsplit("/", 1)[-1]
    found = [table for path, table in tables.items() if path.replace("\\", "/").rsplit("/", 1)[-1] == name]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=8)
def _read_pack(place: str, state: str) -> dict[str, Int[np.ndarray, "_"]]:
    """The offsets of every file that a pack, in this state, names."""
    with open_binary(place) as file:
        data = file.read()
    try:
        magic, version, _, _, _, _, _, first, count, *_ = _HEADER.unpack_from(data)
        if magic != _MAGIC or version not in (2, 3):
            raise DataError(f"{place} is no pack of indexes that is known here (version {version}); versions 2 and 3 are.")
        tables = {}
        for number in range(count):
            path, begin, length, flags, _, _, size, *_ = _SEGMENT.unpack_from(data, first + number * _SEGMENT.size)
            if not flags & _OTHER_SEGMENT:
                name = data[path : path + length].decode("utf-8")
                tables[name] = _offsets(data[begin : begin + size], place)
    except (struct.error, UnicodeDecodeError) as error:
        raise DataError(f"{place} is a damaged pack of indexes ({error}). Write it again.") from error
    return tables
