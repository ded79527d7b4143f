"""Decode with FFmpeg (through PyAV) what libsndfile cannot read: mp4, m4a, webm, headerless G.722."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from audiossl.signals.decoder import AudioError, DecoderStoppedError

_EXACT = ("mov", "mp4", "matroska", "webm")  # containers that store the duration; the others guess it from the bit rate


class FfmpegDecoder:
    """A recording opened with PyAV."""

    def __init__(self, container: Any, stream: Any, promised: int | None) -> None:
        self._container, self._stream = container, stream
        self.sample_rate = int(stream.codec_context.sample_rate)
        self.num_channels = int(stream.codec_context.layout.nb_channels)
        self.promised = promised
        self.slack = self.sample_rate // 2  # encoders pad and containers round

    def blocks(self, start: int) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yield float32 blocks from sample `start` to the end.

        Everything before `start` is decoded too: ADPCM carries state, and containers seek to packets, not to samples.
        """
        import av

        try:
            for frame in self._container.decode(self._stream):
                samples = _to_float(frame)
                if frame.sample_rate != self.sample_rate or samples.shape[1] != self.num_channels:
                    raise DecoderStoppedError("sample rate or number of channels change midway")
                if start < len(samples):
                    yield samples[start:]
                start = max(0, start - len(samples))
        except av.FFmpegError as error:
            raise DecoderStoppedError(f"FFmpeg: {error.strerror}") from error


def _to_float(frame: Any) -> Float[np.ndarray, "S C"]:
    """Convert the samples of a frame, packed or one row a channel, integers of any size or floats."""
    raw = frame.to_ndarray()
    samples = raw.T if frame.format.is_planar else raw.reshape(-1, frame.layout.nb_channels)
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, which is found later
            return samples.astype(np.float32)
    half = float(1 << (8 * samples.itemsize - 1))
    offset = half if samples.dtype.kind == "u" else 0.0
    return ((samples - offset) / half).astype(np.float32) if offset else samples.astype(np.float32) / np.float32(half)


def open_ffmpeg(path: Path, stack: ExitStack, data: bytes | None = None) -> FfmpegDecoder:
    """Open a file, or its bytes, with PyAV and close with `stack`; a name that ends in .g722 is headerless G.722 at 16 kHz, mono.

    Raises:
        AudioError: if FFmpeg cannot read the file or finds no audio in it.
    """
    import av

    is_g722 = path.suffix.lower() == ".g722"
    try:
        # A playlist named .wav must not make FFmpeg open other files or addresses.
        options = {"protocol_whitelist": "file"}
        source: Any = str(path) if data is None else BytesIO(data)
        container = stack.enter_context(av.open(source, format="g722" if is_g722 else None, options=options))
    except (av.FFmpegError, ValueError) as error:
        detail = f"neither libsndfile nor FFmpeg can read it as audio ({getattr(error, 'strerror', error)})."
        raise AudioError("unreadable", path, detail) from error
    if not container.streams.audio:
        raise AudioError("unreadable", path, "FFmpeg opens it and finds no audio in it.")
    stream = container.streams.audio[0]
    if stream.codec_context is None or not stream.codec_context.sample_rate:
        raise AudioError("unreadable", path, "FFmpeg finds no sample rate in it.")
    size = path.stat().st_size if data is None else len(data)
    promised = size * 2 if is_g722 else _promised(container, stream)  # G.722: four bits a sample
    return FfmpegDecoder(container, stream, promised)


def _promised(container: Any, stream: Any) -> int | None:
    """Return the number of samples that the container announces, or None."""
    if not any(name in _EXACT for name in container.format.name.split(",")):
        return None
    if stream.duration is not None:
        return int(stream.duration * stream.time_base * stream.codec_context.sample_rate)
    if container.duration is not None and len(container.streams) == 1:  # in microseconds, of the longest stream
        return container.duration * stream.codec_context.sample_rate // 1_000_000
    return None
