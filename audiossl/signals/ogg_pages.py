"""The pages of an Ogg file: where one stream ends and the next of a chain begins."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from io import BufferedIOBase

_CAPTURE = b"OggS\x00"
_BEGIN = (b"OggS\x00\x02", b"OggS\x00\x06")  # a page that begins a stream; one that ends it too
_HEADER = 27


@dataclass(frozen=True)
class OggFile:
    """What the pages of an Ogg file tell.

    `links` are the byte ranges of its parts: more than one make a chain (RFC 3533), as recordings of internet radio are.
    `last_page` is the sample at which the last page begins, or None where the pages do not tell. `is_flac` and `num_samples`
    are of Ogg FLAC: the number in its first header, 0 for unknown.
    """

    links: tuple[tuple[int, int], ...]
    last_page: int | None
    is_flac: bool
    num_samples: int


def read_ogg(file: BufferedIOBase, size: int) -> OggFile:
    """Read the pages that matter; a search for the beginnings of links looks at every byte, at the speed of memory."""
    data = _bytes_of(file)
    try:
        begins = _first_pages(data, size)
        ends = [*begins[1:], size]
        packet = bytes(data[_HEADER + 1 : _HEADER + 52])  # a first page holds one packet, and so one length
        is_flac = packet.startswith(b"\x7fFLAC")
        total = int.from_bytes(packet[30:35], "big") & ((1 << 36) - 1) if is_flac else 0
        return OggFile(tuple(zip(begins, ends, strict=True)), _last_page(data), is_flac, total)
    finally:
        if isinstance(data, mmap.mmap):
            data.close()


def _bytes_of(file: BufferedIOBase) -> mmap.mmap | bytes:
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, AttributeError):  # not a file of the system
        file.seek(0)
        return file.read()


def _first_pages(data: mmap.mmap | bytes, size: int) -> list[int]:
    """Where each link begins; several streams that are multiplexed begin with a page each, one after the other."""
    begins, at = [0], _after_group(data, 0)
    while (found := [place for mark in _BEGIN if (place := data.find(mark, at)) >= 0]) and len(begins) < 100_000:
        place = min(found)
        end = _after_page(data, place)
        if end is None or (end < size and data[end : end + 4] != b"OggS"):  # four letters inside a packet
            at = place + 4
            continue
        begins.append(place)
        at = _after_group(data, place)
    return begins


def _after_group(data: mmap.mmap | bytes, at: int) -> int:
    while data[at : at + 5] == _CAPTURE and data[at + 5] & 2 and (end := _after_page(data, at)) is not None:
        at = end
    return at


def _after_page(data: mmap.mmap | bytes, at: int) -> int | None:
    header = data[at : at + _HEADER]
    if len(header) < _HEADER:
        return None
    lengths = data[at + _HEADER : at + _HEADER + header[26]]
    return at + _HEADER + header[26] + sum(lengths) if len(lengths) == header[26] else None


def _last_page(data: mmap.mmap | bytes) -> int | None:
    """The granule position that the page before the last one ends at."""
    last = data.rfind(_CAPTURE)
    while last > 0 and (before := data.rfind(_CAPTURE, 0, last)) > 0:
        granule = int.from_bytes(data[before + 6 : before + 14], "little", signed=True)
        if granule >= 0:
            return granule
        last = before
    return None
