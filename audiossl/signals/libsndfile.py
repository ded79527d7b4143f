"""Decode with libsndfile: wav, flac, ogg, mp3, aiff and their kin."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float

from audiossl.signals.container import Container
from audiossl.signals.data_chunk import SampleBytes
from audiossl.signals.decoder import BLOCK_SIZE, AudioError, DecoderStoppedError
from audiossl.signals.file_slice import FileSlice

_UNKNOWN = 1 << 62  # libsndfile says 2^63 - 1 samples where it does not know
_MEMORY_SECONDS = 0.5  # a decoder that begins so much earlier has forgotten where it began
_HAVE_MEMORY = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "OPUS")  # and Vorbis, which libsndfile prepares by itself
_BITS = {"PCM_24": 24, "ALAC_20": 24, "ALAC_24": 24} | dict.fromkeys(("PCM_32", "ALAC_32", "FLOAT", "DOUBLE"), 32)
_PLAIN = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}


class _File(soundfile.SoundFile):
    """Reads on where it stopped: `soundfile` seeks after every read, and codecs with memory then begin anew."""

    def seekable(self) -> bool:
        """Never, as far as `read` is concerned."""
        return False

    def can_seek(self) -> bool:
        """Tell whether libsndfile can seek in this format."""
        return super().seekable() and not self.subtype.startswith("DWVW")  # of which libsndfile says so, and then fails


class SoundfileDecoder:
    """A recording opened with libsndfile."""

    slack = 0
    is_exact = True
    num_filled = 0
    num_dropped = 0

    def __init__(self, file: _File, last_page: int | None = None, is_mended: bool = False) -> None:
        self._file, self._last_page = file, last_page
        self.sample_rate = int(file.samplerate)
        self.num_channels = int(file.channels)
        self.promised: int | None = int(file.frames)
        self.bits = _BITS.get(file.subtype, 16)
        self.is_mended = is_mended

    def blocks(self, start: int) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yield float32 blocks from sample `start` to the end."""
        try:
            drop = start - self._seek_before(start)
            while len(block := self._file.read(BLOCK_SIZE, dtype="float32", always_2d=True)):
                if drop < len(block):
                    yield block[drop:]
                drop = max(0, drop - len(block))
        except soundfile.LibsndfileError as error:
            raise DecoderStoppedError(f"libsndfile error {error.code} {error.error_string}".strip()) from error

    def _seek_before(self, start: int) -> int:
        """Seek to `start`, or so much earlier that what is decoded from there on is what it is in the whole recording."""
        if not start or not self._file.can_seek():
            return 0
        begin = min(start, self._file.frames)
        if self._file.format == "OGG":  # the last page may end early, and libsndfile counts back from its end
            begin = min(begin, self._last_page or 0)
        if self._file.subtype in _HAVE_MEMORY:
            begin = max(0, begin - round(_MEMORY_SECONDS * self.sample_rate))
        if begin:
            self._file.seek(begin)
        return begin


class LinkedDecoder:
    """Recordings that lie one after the other in one file, read as one."""

    slack = 0
    is_exact = True
    is_mended = False
    num_filled = 0
    num_dropped = 0

    def __init__(self, links: list[SoundfileDecoder]) -> None:
        self._links = links
        self.sample_rate, self.num_channels = links[0].sample_rate, links[0].num_channels
        self.bits = max(link.bits for link in links)
        self.promised: int | None = sum(link.promised or 0 for link in links)

    def blocks(self, start: int) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yield float32 blocks from sample `start` to the end."""
        for link in self._links:
            length = link.promised or 0
            if start < length:
                yield from link.blocks(start)
            start = max(0, start - length)


def open_soundfile(
    path: Path, stack: ExitStack, container: Container, data: bytes | None = None
) -> SoundfileDecoder | LinkedDecoder | None:
    """Open a file, or its bytes, with libsndfile and close with `stack`; None if it does not know the format or the length.

    Raises:
        AudioError: if the header promises more than the file holds, or contradicts itself, or recordings of several rates or
            numbers of channels lie in one file.
    """
    if container.missing is not None:  # libsndfile may not open it at all, and FFmpeg would read what is there
        raise _cut_off(path, *container.missing, "bytes")
    if not container.is_believed:
        return None
    try:
        if container.links:
            return _open_links(path, stack, container.links, data)
        source: Any = os.fsencode(path) if data is None else BytesIO(data)
        file = stack.enter_context(_File(source))
        if container.samples is not None:
            return _open_samples(path, stack, file, container.samples, data)
    except (soundfile.LibsndfileError, TypeError, ValueError):
        return None
    if file.frames >= _UNKNOWN or (file.format in ("MP3", "MPEG") and not container.is_mpeg):
        return None
    _check_log(path, file.extra_info)
    if container.promised is not None and file.frames < container.promised:
        raise _cut_off(path, container.promised, file.frames, "samples")
    return SoundfileDecoder(file, container.last_page)


def _bytes_of(path: Path, stack: ExitStack, data: bytes | None) -> BufferedIOBase:
    return stack.enter_context(path.open("rb")) if data is None else BytesIO(data)


def _open_links(
    path: Path, stack: ExitStack, links: tuple[tuple[int, int], ...], data: bytes | None
) -> SoundfileDecoder | LinkedDecoder | None:
    source = _bytes_of(path, stack, data)
    decoders, position = [], 0
    for start, stop in links:
        file = stack.enter_context(_File(FileSlice(source, start, stop)))  # pyright: ignore[reportArgumentType]
        if file.frames >= _UNKNOWN:
            return None
        _check_log(path, file.extra_info)
        decoders.append(SoundfileDecoder(file))
        first, last = decoders[0], decoders[-1]
        if (first.sample_rate, first.num_channels) != (last.sample_rate, last.num_channels):
            detail = (
                f"recording {len(decoders)} of the {len(links)} that lie in this file one after the other, at "
                f"{position / first.sample_rate:.2f} s, has {last.sample_rate} Hz and {last.num_channels} channels, the first "
                f"{first.sample_rate} Hz and {first.num_channels}. Split the file there."
            )
            raise AudioError("unreadable", path, detail)
        position += file.frames
    return LinkedDecoder(decoders)


def _open_samples(path: Path, stack: ExitStack, file: _File, samples: SampleBytes, data: bytes | None) -> SoundfileDecoder | None:
    """Read the samples where they are, by the format that the header names and not by its length."""
    width = _PLAIN.get(file.subtype, 0) * file.channels
    held = samples.stop - samples.start
    if not samples.is_certain or (not width and file.format not in ("WAV", "WAVEX")):
        detail = (
            f"the header promises {samples.said:,} bytes of samples, {held:,} are there: the sizes are wrong, as those of a "
            "recorder that was switched off, or the file has a foreign end. Mend the header, or cut the end off."
        )
        raise AudioError("unreadable", path, detail)
    if not width:
        return None  # FFmpeg reads packed samples of a WAV to the end
    inside = FileSlice(_bytes_of(path, stack, data), samples.start, samples.stop - held % width)
    raw = _File(
        inside,  # pyright: ignore[reportArgumentType]
        samplerate=file.samplerate,
        channels=file.channels,
        subtype=file.subtype,
        endian=samples.order.upper(),
        format="RAW",
    )
    return SoundfileDecoder(stack.enter_context(raw), is_mended=True)


def _check_log(path: Path, log: str) -> None:
    """Refuse a file with a header that promises more bytes than it has: libsndfile shortens it and says so only in its log."""
    for name, promised, present in re.findall(r"(data|SSND|Data Size|Riff size|riff)\s*: (\d+) \(should be (\d+)\)", log):
        promised, present = int(promised), int(present)
        # A program that writes to a pipe cannot go back to fill in the size, and leaves one of these.
        streamed = promised >= 0xFFFFFF00 or 0x7FFFF000 <= promised <= 0x80000000
        # The outer chunk counts headers and padding too, and is often off by a few bytes where nothing is missing.
        tolerance = 64 if name in ("Riff size", "riff") else 0
        if promised > present + tolerance and not streamed:
            raise _cut_off(path, promised, present, "bytes")


def _cut_off(path: Path, promised: int, present: int, what: str) -> AudioError:
    detail = f"truncated: the header promises {promised:,} {what}, {present:,} are there. Copy the file again."
    return AudioError("truncated", path, detail)
