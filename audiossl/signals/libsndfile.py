"""Decode with libsndfile: wav, flac, ogg, mp3, aiff and their kin."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float

from audiossl.signals.decoder import BLOCK_SIZE, AudioError, DecoderStoppedError

_HEADERLESS = (".g722", ".raw", ".gsm", ".vox")  # libsndfile would have to guess


class SoundfileDecoder:
    """A recording opened with libsndfile."""

    def __init__(self, file: soundfile.SoundFile, path: Path, data: bytes | None = None) -> None:
        self._file = file
        self.sample_rate = int(file.samplerate)
        self.num_channels = int(file.channels)
        is_mp3 = file.format in ("MP3", "MPEG")
        # Without a Xing header libsndfile guesses the length of an MP3 from its bit rate.
        self.promised = None if is_mp3 and not _has_xing_header(path, data) else int(file.frames)
        self.slack = self.sample_rate // 10 if is_mp3 else 0

    def blocks(self, start: int) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yield float32 blocks from sample `start` to the end."""
        try:
            if start:
                self._file.seek(min(start, self._file.frames))
            while len(block := self._file.read(BLOCK_SIZE, dtype="float32", always_2d=True)):
                yield block
        except soundfile.LibsndfileError as error:
            raise DecoderStoppedError(f"libsndfile error {error.code} {error.error_string}".strip()) from error


def open_soundfile(path: Path, stack: ExitStack, data: bytes | None = None) -> SoundfileDecoder | None:
    """Open a file, or its bytes, with libsndfile and close with `stack`; None if it does not know the format.

    Raises:
        AudioError: if the header promises more than the file holds.
    """
    if path.suffix.lower() in _HEADERLESS:
        return None
    try:
        source: Any = os.fsencode(path) if data is None else BytesIO(data)
        file = stack.enter_context(soundfile.SoundFile(source))
    except (soundfile.LibsndfileError, TypeError, ValueError):
        return None
    _check_log(path, file.extra_info)
    return SoundfileDecoder(file, path, data)


def _check_log(path: Path, log: str) -> None:
    """Refuse a file whose header promises more bytes than it has: libsndfile shortens it and says so only in its log."""
    for name, promised, present in re.findall(r"(data|SSND|Data Size|Riff size|riff)\s*: (\d+) \(should be (\d+)\)", log):
        promised, present = int(promised), int(present)
        # A program that writes to a pipe cannot go back to fill in the size, and leaves one of these.
        streamed = promised >= 0xFFFFFF00 or 0x7FFFF000 <= promised <= 0x80000000
        # The outer chunk counts headers and padding too, and is often off by a few bytes where nothing is missing.
        tolerance = 64 if name in ("Riff size", "riff") else 0
        if promised > present + tolerance and not streamed:
            detail = f"truncated: the header promises {promised:,} bytes, {present:,} are there. Copy the file again."
            raise AudioError("truncated", path, detail)


def _has_xing_header(path: Path, data: bytes | None) -> bool:
    """Find the header that tells the exact length of an MP3; it is in the first frame, after the ID3 tag if there is one."""
    with path.open("rb") if data is None else BytesIO(data) as file:
        tag = file.read(10)
        is_tag = len(tag) == 10 and tag[:3] == b"ID3"
        tag_size = sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)) if is_tag else -10
        file.seek(10 + tag_size)
        head = file.read(4096)
    return b"Xing" in head or b"Info" in head
