"""What the first frame of an MPEG audio file (MP3 and its kin) says about its length, and whether that is the whole file."""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedIOBase, BytesIO

MAX_TAGS = 100
_TOLERANCE = 16  # bytes; encoders count to the byte
_ENCODERS = (b"LAME", b"Lavf", b"Lavc", b"L3.9", b"GOGO")  # they add how many samples the encoder put in front and behind
_KBITS = {  # by (version 1?, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8000)}  # version 1, 2, 2.5


@dataclass(frozen=True)
class MpegFrame:
    """The header of one frame; `size` is None in a free format, which does not say it."""

    is_version_1: bool
    layer: int
    sample_rate: int
    num_channels: int
    num_samples: int
    size: int | None

    @classmethod
    def parse(cls, header: bytes) -> MpegFrame | None:
        """Read four bytes; None if they are no header."""
        if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
            return None
        version, layer, bits, rate = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3), header[2] >> 4, header[2] >> 2 & 3
        if version == 1 or layer == 4 or bits == 15 or rate == 3:
            return None
        is_first, padding = version == 3, header[2] >> 1 & 1
        sample_rate = _RATES[version][rate]
        num_samples = 384 if layer == 1 else 1152 if layer == 2 or is_first else 576
        kbits = _KBITS[is_first, layer][bits]
        slot = 4 if layer == 1 else 1
        size = (num_samples // 8 * kbits * 1000 // sample_rate // slot + padding) * slot if kbits else None
        return cls(is_first, layer, sample_rate, 1 if header[3] >> 6 == 3 else 2, num_samples, size)


@dataclass(frozen=True)
class MpegFile:
    """`links` are the byte ranges of recordings that were joined, each with its length in its header.

    They are empty where a header is missing, is one that libsndfile does not read (VBRI), or does not agree with the size of the
    file. `promised` is the number of samples that the first header announces, or None.
    """

    links: tuple[tuple[int, int], ...]
    promised: int | None
    is_free_format: bool


def read_mpeg(file: BufferedIOBase, size: int) -> MpegFile:
    """Read the Xing header of every recording in the file."""
    links, at, promised = [], 0, None
    is_free_format = (frame := _first_frame(file, 0)[1]) is not None and frame.size is None
    while at < size:
        length = _announced(file, at)
        if length is not None and at == 0:
            promised = length.num_samples
        if length is None or length.end is None or length.end > size + _TOLERANCE:
            return MpegFile((), promised, is_free_format)
        end = skip_tags(file, min(length.end, size), size)
        if size - end <= _TOLERANCE:
            end = size
        links.append((at, end))
        at = end
    return MpegFile(tuple(links), promised, is_free_format)


def after_id3v2(file: BufferedIOBase, at: int) -> int:
    """Where the ID3v2 tags at this place end (pictures make them big); `at` itself where there is none."""
    for _ in range(MAX_TAGS):
        file.seek(at)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3" or max(tag[6:]) > 127:
            break
        at += 10 + sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)) + 10 * (tag[5] >> 4 & 1)
    return at


def skip_tags(file: BufferedIOBase, at: int, size: int) -> int:
    """Where the tags that stand behind audio (APE, Lyrics3, ID3v1) and zero bytes end."""
    for _ in range(MAX_TAGS):
        file.seek(at)
        head = file.read(32)
        if head[:3] == b"TAG":
            at += 128
        elif head[:8] == b"APETAGEX":
            at += int.from_bytes(head[12:16], "little") + 32 * (head[23] >> 7 & 1 if len(head) == 32 else 0)
        elif head[:11] == b"LYRICSBEGIN":
            file.seek(at)
            rest = file.read(min(size - at, 1 << 20))
            place = max(rest.find(b"LYRICS200"), rest.find(b"LYRICSEND"))
            at = at + place + 9 if place >= 0 else size
        elif head and not any(head):
            at += len(head)
        else:
            break
    return min(at, size)


def end_of_tags(data: bytes) -> int:
    """How many bytes at the beginning are tags; more than there are, where the last of them continues."""
    at = after_id3v2(BytesIO(data), 0)
    behind = skip_tags(BytesIO(data[at:]), 0, 1 << 62) if data[at : at + 3] in (b"TAG", b"APE", b"LYR") else 0
    at += behind
    return at + end_of_tags(data[at:]) if behind and at < len(data) else at


@dataclass(frozen=True)
class _Announced:
    num_samples: int
    end: int | None  # where the recording ends, if the header is one that libsndfile reads


def _announced(file: BufferedIOBase, at: int) -> _Announced | None:
    """What the first frame of the recording that begins at this place announces."""
    begin, frame, head = _first_frame(file, at)
    if frame is None or frame.layer != 3:
        return None
    if (vbri := head[36:54])[:4] == b"VBRI" and len(vbri) == 18:
        return _Announced(int.from_bytes(vbri[14:18], "big") * frame.num_samples, None)
    side = (32 if frame.num_channels == 2 else 17) if frame.is_version_1 else (17 if frame.num_channels == 2 else 9)
    xing = head[4 + side : 204 + side]
    if xing[:4] not in (b"Xing", b"Info") or len(xing) < 200:
        return None
    flags, frames, count = (int.from_bytes(xing[place : place + 4], "big") for place in (4, 8, 12))
    if not flags & 1:
        return None
    lame = 8 + 4 * (flags & 1) + 2 * (flags & 2) + 25 * (flags & 4) + (flags & 8) // 2  # after those fields that are there
    trimmed = int.from_bytes(xing[lame + 21 : lame + 24], "big") if xing[lame : lame + 4] in _ENCODERS else 0
    num_samples = frames * frame.num_samples - (trimmed >> 12) - (trimmed & 0xFFF)
    is_plausible = flags & 2 and frames and _fits(frame, count / (frames + 1), head if xing[:4] == b"Info" else b"")
    return _Announced(num_samples, begin + count if is_plausible else None)


def _fits(frame: MpegFrame, mean_size: float, head: bytes) -> bool:
    """Tell whether frames can have so many bytes on the mean; `head` begins with two frames where the bit rate is constant.

    A header that counts too few frames would otherwise be believed.
    """
    largest = frame.num_samples // 8 * (320_000 if frame.is_version_1 else 160_000) / frame.sample_rate + 1
    second = MpegFrame.parse(head[frame.size : frame.size + 4]) if head and frame.size else None
    if second is not None and second.size is not None:
        largest = min(largest, 1.1 * second.size + 1)
    return mean_size <= largest


def _first_frame(file: BufferedIOBase, at: int) -> tuple[int, MpegFrame | None, bytes]:
    """Where the first frame behind the tags begins, its header, and its bytes."""
    begin = after_id3v2(file, at)
    file.seek(begin)
    head = file.read(4096)
    first = next((place for place in range(len(head) - 4) if head[place]), 0)  # tags may be padded with zero bytes
    return begin + first, MpegFrame.parse(head[first : first + 4]), head[first:]
