"""Where the samples of WAV, RF64, W64, AIFF, AU and CAF lie, and whether their header states their true number."""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedIOBase
from typing import Literal

MAX_CHUNKS = 1000  # in front of the samples; real files have ten at most
STREAMED = {4: (0xFFFFFF00, 0x7FFFF000, 0x80000000), 8: (0xFFFFFFFFFFFFFF00, 0x7FFFFFFFFFFFF000, 1 << 63)}
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN", b"LYRICS200")  # of programs that know no chunks
_SMALL = 1 << 16  # so many zero bytes after the samples are padding, so many letters a note
_TEXT = bytes([9, 10, 13, *range(32, 127)])
_KNOWN = (  # a chunk of these names is no audio, even where its size is wrong
    b"LIST", b"bext", b"id3 ", b"ID3 ", b"fact", b"cue ", b"smpl", b"inst", b"JUNK", b"junk", b"PAD ", b"FLLR", b"iXML", b"axml",
    b"_PMX", b"umid", b"PEAK", b"levl", b"plst", b"acid", b"DISP", b"LGWV", b"guan", b"wamd", b"afsp", b"minf", b"regn", b"elm1",
    b"chna", b"ANNO", b"MARK", b"COMT", b"NAME", b"AUTH", b"INST", b"APPL", b"(c) ", b"info", b"free", b"pakt", b"uuid", b"strg",
)  # fmt: skip


@dataclass(frozen=True)
class _Layout:
    """How a family of containers writes its chunks: a name, a size, the content, padding up to a multiple of `alignment`."""

    first: int
    order: Literal["little", "big"]
    data: bytes
    name_size: int = 4
    size_bytes: int = 4
    size_counts_header: bool = False
    alignment: int = 2
    skip: int = 0  # bytes of the chunk in front of the samples
    outer_at: int | None = 4  # where the header says how long the whole file is

    def chunk(self, file: BufferedIOBase, at: int) -> tuple[bytes, int, int] | None:
        """Name, place of the content and its size; None where the file ends."""
        file.seek(at)
        header = file.read(self.name_size + self.size_bytes)
        if len(header) < self.name_size + self.size_bytes:
            return None
        size = int.from_bytes(header[self.name_size :], self.order)
        return header[: self.name_size], at + len(header), size - len(header) * self.size_counts_header

    def after(self, content: int, size: int) -> int:
        """Where the next chunk begins."""
        return (
            content + size + -(content + size) % self.alignment
            if self.size_counts_header
            else content + size + size % self.alignment
        )


_WAVE_GUID = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"
_RIFF = _Layout(12, "little", b"data")
_RIFX = _Layout(12, "big", b"data")
_W64 = _Layout(40, "little", b"data" + _WAVE_GUID, 16, 8, True, 8, outer_at=16)
_AIFF = _Layout(12, "big", b"SSND", skip=8)
_CAF = _Layout(8, "big", b"data", size_bytes=8, alignment=1, skip=4, outer_at=None)


@dataclass(frozen=True)
class SampleBytes:
    """The bytes `start` to `stop` of a file hold its samples, whatever the header says; `order` is that of their bytes.

    `is_certain` is False where the header contradicts itself: then nobody knows where the samples end.
    """

    start: int
    stop: int
    said: int
    order: Literal["little", "big"]
    is_certain: bool = True


@dataclass(frozen=True)
class _Data:
    start: int
    said: int
    order: Literal["little", "big"]
    outer: int | None
    tag: int = 0  # the format tag of WAV


def find_mended(file: BufferedIOBase, size: int, head: bytes) -> SampleBytes | None:
    """Find the samples where the header promises less than the file of `size` bytes holds; None where it states the true number.

    A size that wrapped at 32 bits, that was left at a first update, or that was never written, makes a library stop early.
    Chunks and tags after the samples are no fault.
    """
    layout = layout_of(head)
    data = _au(head) if head[:4] in (b".snd", b"dns.") else _find(file, size, head, layout) if layout else None
    if data is None or data.start >= size:
        return None
    end = data.start + data.said
    size_bytes = 8 if layout is not None and (layout.size_bytes == 8 or head[:4] in (b"RF64", b"BW64")) else 4
    if end >= size and not _is_streamed(data.said, size_bytes):
        return None
    if _is_streamed(data.said, size_bytes):  # a library takes such a size for "to the end", where the file is below 4 GiB
        return SampleBytes(data.start, size, data.said, data.order) if end < size else None
    if _is_tail(file, layout, end, size, may_be_padding=data.said > 0):
        return None
    wraps = 0 if size_bytes == 8 else (size - data.start) >> 32
    for wrap in range(1, wraps + 1):
        wrapped = end + (wrap << 32)
        if wrapped <= size and _is_tail(file, layout, wrapped, size):
            return SampleBytes(data.start, wrapped, data.said, data.order)
    agrees = data.outer is None or min(abs(data.outer - end), abs(data.outer - size)) <= 8
    return SampleBytes(data.start, size, data.said, data.order, is_certain=agrees or data.said == 0)


def find_missing(file: BufferedIOBase, size: int, head: bytes) -> tuple[int, int] | None:
    """How many bytes of samples a CAF promises and holds, where these are fewer; libsndfile logs that of other formats alone."""
    data = _find(file, size, head, _CAF) if head[:4] == b"caff" else None
    if data is None or _is_streamed(data.said, 8) or data.start + data.said <= size:
        return None
    return data.said, max(0, size - data.start)


def find_joined(file: BufferedIOBase, size: int, head: bytes) -> tuple[tuple[int, int], ...]:
    """Find recordings that were put one behind the other (`cat a.wav b.wav`): the bytes of each; none where there is only one."""
    links, begin, layout = [], 0, layout_of(head)
    while layout is not None and len(links) < MAX_CHUNKS:
        end, following = _end_of_first(file, begin, size, layout)
        links.append((begin, end))
        begin, layout = end, following
    return tuple(links) if len(links) > 1 else ()


def _end_of_first(file: BufferedIOBase, begin: int, size: int, layout: _Layout) -> tuple[int, _Layout | None]:
    """Where the recording ends that begins at this byte, and the layout of the one that follows it."""
    at = begin + layout.first
    for _ in range(MAX_CHUNKS):
        if (chunk := layout.chunk(file, at)) is None or chunk[2] < 0 or (at := layout.after(chunk[1], chunk[2])) >= size:
            break
        file.seek(at)
        if (following := layout_of(file.read(12))) is not None:
            return at, following
    return size, None


def layout_of(head: bytes) -> _Layout | None:
    """The layout that the first 12 bytes show, or None."""
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE":
        return _RIFF
    if kind == b"RIFX" and form == b"WAVE":
        return _RIFX
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return _AIFF
    return {b"riff": _W64, b"caff": _CAF}.get(kind)


def wave_format_tag(file: BufferedIOBase, head: bytes) -> int | None:
    """The number of the codec in a WAV, or None."""
    if (layout := layout_of(head)) not in (_RIFF, _RIFX) or layout is None:
        return None
    at = layout.first
    for _ in range(MAX_CHUNKS):
        if (chunk := layout.chunk(file, at)) is None or chunk[0] == b"data":
            return None
        if chunk[0] == b"fmt ":
            return int.from_bytes(file.read(2), layout.order)
        at = layout.after(chunk[1], chunk[2])
    return None


def _is_streamed(said: int, size_bytes: int) -> bool:
    """A program that writes to a pipe cannot go back to fill in the size, and leaves one of these."""
    all_ones, low, high = STREAMED[size_bytes]
    return said >= all_ones or low <= said <= high


def _find(file: BufferedIOBase, size: int, head: bytes, layout: _Layout) -> _Data | None:
    at, order, true_size, outer = layout.first, layout.order, None, None
    if layout.outer_at is not None:
        file.seek(layout.outer_at)
        outer = int.from_bytes(file.read(layout.size_bytes), layout.order) + 8 * (not layout.size_counts_header)
    for _ in range(MAX_CHUNKS):
        if (chunk := layout.chunk(file, at)) is None:
            return None
        name, content, said = chunk
        if name == layout.data:
            said = true_size if true_size is not None else said
            return _Data(content + layout.skip, max(0, said - layout.skip), order, outer)
        if name == b"ds64":
            sizes = file.read(16)
            outer, true_size = int.from_bytes(sizes[:8], "little") + 8, int.from_bytes(sizes[8:], "little")
        elif name == b"COMM" and said >= 22:
            order = "little" if file.read(22)[18:] == b"sowt" else "big"
        elif name == b"desc":
            order = "little" if file.read(16)[15] & 2 else "big"
        if said < 0 or (at := layout.after(content, said)) > size:
            return None
    return None


def _au(head: bytes) -> _Data | None:
    order = "big" if head[:4] == b".snd" else "little"
    start, said = (int.from_bytes(head[at : at + 4], order) for at in (4, 8))
    return _Data(start, said, order, None) if start >= 24 else None


def _is_tail(file: BufferedIOBase, layout: _Layout | None, at: int, size: int, may_be_padding: bool = True) -> bool:
    """Tell whether what lies between `at` and the end is no audio: nothing, padding, a note, a tag, or chunks."""
    if size - at < 8:
        return True
    begins = {at, at + -at % (layout.alignment if layout is not None else 1)}
    if any(_is_foreign(file, begin, size, may_be_padding) for begin in begins):
        return True
    return layout is not None and any(_are_chunks(file, layout, begin, size) for begin in begins)


def _is_foreign(file: BufferedIOBase, at: int, size: int, may_be_padding: bool) -> bool:
    file.seek(at)
    head = file.read(11)
    if head.startswith(_TAGS):
        return True
    if not may_be_padding or size - at > _SMALL or (any(head) and head.translate(None, _TEXT)):
        return False
    rest = head + file.read(size - at)
    return not any(rest) or not rest.translate(None, _TEXT)


def _are_chunks(file: BufferedIOBase, layout: _Layout, at: int, size: int) -> bool:
    for number in range(MAX_CHUNKS):
        if size - at < layout.name_size + layout.size_bytes:
            return number > 0
        chunk = layout.chunk(file, at)
        if chunk is None:
            return number > 0
        name, content, length = chunk
        if name in _KNOWN:
            return True
        if number and (not any(name) or name.startswith(_TAGS)):
            return True
        if not all(32 <= byte < 127 for byte in name[:4]) or length < 0 or content + length > size + layout.alignment:
            return False
        at = layout.after(content, length)
    return True
