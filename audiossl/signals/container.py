"""Decide from the container of a recording whether libsndfile may be believed about its length: here, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from io import BufferedIOBase, BytesIO
from pathlib import Path

from audiossl.signals.data_chunk import SampleBytes, find_joined, find_mended, find_missing, layout_of, wave_format_tag
from audiossl.signals.flac_header import has_foreign_end, knows_length, num_samples
from audiossl.signals.mpeg_header import MpegFrame, after_id3v2, read_mpeg
from audiossl.signals.ogg_pages import read_ogg

_MPEG_IN_WAVE = (0x50, 0x55)
_HEADERLESS = (".g722", ".raw", ".gsm", ".vox")  # libsndfile would have to guess


@dataclass(frozen=True)
class Container:
    """What is known before a library opens the recording.

    `is_believed`: libsndfile knows the length. Where it would guess (an MP3 without a Xing header, a FLAC that was written to a
    pipe), FFmpeg decodes from begin to end. `samples`: the header is wrong, the samples lie there. `missing`: how many bytes of
    samples the header promises, and how many fewer are there. `links`: several recordings, one after the other, each believed.
    `last_page`: where the last page of an Ogg begins, into which libsndfile seeks wrongly. `promised`: samples that a header
    announces of which the library takes no notice; to find what was cut. `is_mpeg`: an MP3 with a Xing header. `fault`: what no
    library here can read, in words.
    """

    is_believed: bool = True
    samples: SampleBytes | None = None
    missing: tuple[int, int] | None = None
    links: tuple[tuple[int, int], ...] = field(default=())
    last_page: int | None = None
    promised: int | None = None
    fault: str = ""
    is_mpeg: bool = False


def inspect_container(path: Path, data: bytes | None = None) -> Container:
    """Look at the headers of a file, or of its bytes."""
    if path.suffix.lower() in _HEADERLESS:
        return Container(is_believed=False)
    if data is not None:
        return _inspect(BytesIO(data), len(data))
    about = path.stat()
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"OggS":  # the only one that is looked at whole
            return _inspect_ogg(path, about.st_size, about.st_mtime_ns)
        return _inspect(file, about.st_size)


@lru_cache(maxsize=1 << 16)
def _inspect_ogg(path: Path, size: int, _changed: int) -> Container:
    with path.open("rb") as file:
        return _ogg(file, size, b"")


def _inspect(file: BufferedIOBase, size: int) -> Container:
    file.seek(0)
    head = file.read(12)
    if head[:3] == b"ID3":
        start = after_id3v2(file, 0)
        file.seek(start)
        behind = file.read(12)
        if behind[:4] == b"fLaC":
            return _flac(file, size, b"", start)
        if layout_of(behind) is not None:
            return Container(links=((start, size),))
        return _mpeg(file, size, head)
    inspect = _KINDS.get(head[:4])
    if inspect is None:
        inspect = _mpeg if MpegFrame.parse(head[:4]) or not any(head) else _chunks
    return inspect(file, size, head)


def _chunks(file: BufferedIOBase, size: int, head: bytes) -> Container:
    if wave_format_tag(file, head) in _MPEG_IN_WAVE:
        return Container(is_believed=False)
    if links := find_joined(file, size, head):
        return Container(links=links)
    return Container(samples=find_mended(file, size, head), missing=find_missing(file, size, head))


def _flac(file: BufferedIOBase, size: int, head: bytes, start: int = 0) -> Container:
    if has_foreign_end(file, size):  # libFLAC loses sync at a tag, and what it holds back of the last frames is lost
        return Container(is_believed=False, promised=num_samples(file, start))
    return Container(is_believed=knows_length(file, start, size))


def _sphere(file: BufferedIOBase, size: int, head: bytes) -> Container:
    file.seek(0)
    count = re.search(rb"^sample_count -i (\d+)", file.read(1024), re.MULTILINE)
    return Container(promised=int(count[1]) if count else None)


def _ogg(file: BufferedIOBase, size: int, head: bytes) -> Container:
    ogg = read_ogg(file, size)
    if ogg.flacs and not all(flac.num_samples for flac in ogg.flacs):
        kinds = list(dict.fromkeys(f"{flac.sample_rate} Hz and {flac.num_channels} channels" for flac in ogg.flacs))
        fault = f"a chain of recordings with {', '.join(kinds)}. Split it" if len(kinds) > 1 else ""
        return Container(is_believed=False, fault=fault)
    return Container(links=ogg.links if len(ogg.links) > 1 else (), last_page=ogg.last_page)


def _mpeg(file: BufferedIOBase, size: int, head: bytes) -> Container:
    mpeg = read_mpeg(file, size)
    if not mpeg.links:
        fault = "an MP3 of free format: its frames do not say their size. Convert it, with mpg123 -w for instance"
        return Container(is_believed=False, promised=mpeg.promised, fault=fault if mpeg.is_free_format else "")
    return Container(links=mpeg.links if len(mpeg.links) > 1 else (), is_mpeg=True)


_KINDS: dict[bytes, Callable[[BufferedIOBase, int, bytes], Container]] = {
    b"fLaC": _flac,
    b"OggS": _ogg,
    b"NIST": _sphere,
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff", b".snd", b"dns."), _chunks),
}
