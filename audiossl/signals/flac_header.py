"""What the first block of a FLAC says about its length, and what its last frame says."""

from __future__ import annotations

from io import BufferedIOBase

_BLOCK_SIZES = {1: 192} | {code: 576 << (code - 2) for code in range(2, 6)} | {code: 256 << (code - 8) for code in range(8, 16)}
_TAIL = 1 << 16  # bytes in which the last frame is looked for, where the header does not say how long frames are


def num_samples(file: BufferedIOBase, start: int) -> int | None:
    """The samples that the header at byte `start` counts; None where it counts none."""
    file.seek(start)
    head = file.read(42)
    return int.from_bytes(head[21:26], "big") & ((1 << 36) - 1) or None


def has_foreign_end(file: BufferedIOBase, size: int) -> bool:
    """Tell whether a tag of MP3s (ID3v1, APE) or zero bytes stand behind the last frame."""
    file.seek(max(0, size - 128))
    end = file.read(128)
    return end[:3] == b"TAG" or end[-32:-24] == b"APETAGEX" or not any(end[-32:])


def knows_length(file: BufferedIOBase, start: int, size: int) -> bool:
    """Tell whether the header, at byte `start`, counts the samples, and counts all of them.

    A FLAC that was written to a pipe says 0, for unknown; one that was cut off in writing may count too few. A segment of a
    longer recording begins with a later frame, and its header may count the samples of all segments.
    """
    file.seek(start)
    head = file.read(42)
    if len(head) < 42 or head[4] & 0x7F:
        return True  # no header of FLAC: for the library to say
    if (total := num_samples(file, start)) is None:
        return False
    first = _parse(_first_frame(file, start))
    if first is not None and first[0] > 0:
        return False
    smallest, largest = int.from_bytes(head[8:10], "big"), int.from_bytes(head[10:12], "big")
    longest = int.from_bytes(head[15:18], "big")
    tail = min(size - start, 2 * longest + 64 if longest else _TAIL)
    file.seek(size - tail)
    end = _last_sample(file.read(tail), largest if smallest == largest else None)
    return end is None or end <= total


def _first_frame(file: BufferedIOBase, start: int) -> bytes:
    """The beginning of the frame that follows the blocks of metadata."""
    at, is_last = start + 4, False
    while not is_last:
        file.seek(at)
        block = file.read(4)
        if len(block) < 4:
            return b""
        at += 4 + int.from_bytes(block[1:], "big")
        is_last = block[0] >= 0x80
    file.seek(at)
    return file.read(16)


def _last_sample(tail: bytes, block_size: int | None) -> int | None:
    """The number of samples up to the end of the last frame, or None where no frame is found."""
    at = len(tail)
    while (at := tail.rfind(b"\xff", 0, at)) >= 0:
        if (found := _parse(tail[at : at + 16])) is not None:
            number, length, is_variable = found
            if is_variable:
                return number + length
            return None if block_size is None else number * block_size + length
    return None


def _parse(header: bytes) -> tuple[int, int, bool] | None:
    """The number of a frame (or of its first sample), its length, and which of the two it is; None if it is no frame."""
    if len(header) < 6 or header[1] & 0xFE != 0xF8 or not header[2] >> 4 or header[2] & 15 == 15 or header[3] & 1:
        return None
    ones = 8 - (header[4] ^ 0xFF).bit_length()
    extra = max(0, ones - 1)
    if ones in (1, 8):
        return None
    number = header[4] & (0x7F >> ones)
    for byte in header[5 : 5 + extra]:
        number = number << 6 | byte & 0x3F
    at, code = 5 + extra, header[2] >> 4
    width = {6: 1, 7: 2}.get(code, 0)
    length = int.from_bytes(header[at : at + width], "big") + 1 if width else _BLOCK_SIZES[code]
    at += width + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    if len(header) <= at or _crc8(header[:at]) != header[at]:
        return None
    return number, length, bool(header[1] & 1)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
