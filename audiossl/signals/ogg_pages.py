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
    """What the pages of an Ogg file say.

    `links` are the byte ranges of its parts: more than one make a chain (RFC 3533), as recordings of internet radio are.
    `last_page` is the sample at which the last page begins, or None where the pages do not say. `flacs` are the headers of the
    links that are FLAC.
    """

    links: tuple[tuple[int, int], ...]
    last_page: int | None
    flacs: tuple[FlacHeader, ...]


@dataclass(frozen=True)
class FlacHeader:
    """The rate in Hz, the channels, and the number of samples (0 for unknown) of FLAC in Ogg."""

    sample_rate: int
    num_channels: int
    num_samples: int


def read_ogg(file: BufferedIOBase, size: int) -> OggFile:
    """Read the pages that matter; a search for the beginnings of links looks at every byte, at the speed of memory."""
    data = _bytes_of(file)
    try:
        begins = _first_pages(data, size)
        ends = [*begins[1:], size]
        headers = [header for begin in begins if (header := _flac_header(data, begin)) is not None]
        return OggFile(tuple(zip(begins, ends, strict=True)), _last_page(data), tuple(headers))
    finally:
        if isinstance(data, mmap.mmap):
            data.close()


def _flac_header(data: mmap.mmap | bytes, page: int) -> FlacHeader | None:
    packet = bytes(data[page + _HEADER + 1 : page + _HEADER + 52])  # a first page holds one packet, and so one length
    if len(packet) < 51 or not packet.startswith(b"\x7fFLAC"):
        return None
    about = int.from_bytes(packet[27:35], "big")
    return FlacHeader(about >> 44, (about >> 41 & 7) + 1, about & ((1 << 36) - 1))


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
