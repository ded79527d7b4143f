"""Decode with FFmpeg (through PyAV) what libsndfile cannot read, or of which it guesses the length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from audiossl.signals.container import Container
from audiossl.signals.decoder import AudioError, DecoderStoppedError
from audiossl.signals.mpeg_header import end_of_tags
from audiossl.signals.timeline import Timeline

_EXACT = (
    "mov",
    "mp4",
    "matroska",
    "webm",
    "wv",
    "tta",
)  # containers that store the duration; the others guess it from the bit rate
_CLOCKS = ("mov", "mp4", "matroska", "webm")  # their clock begins with the recording at 0
_STAMPED = (*_CLOCKS, "avi", "flv", "asf", "mpegts", "mpeg", "nut", "live_flv")  # their packets carry time stamps
_MPEG_SLACK = 4 * 1152  # the delay of encoder and decoder, and the padding of the last frame


class FfmpegDecoder:
    """A recording opened with PyAV."""

    is_exact = False

    def __init__(
        self, container: Any, stream: Any, promised: int | None, slack: int | None = None, is_mended: bool = False
    ) -> None:
        self._container, self._stream = container, stream
        self.sample_rate = int(stream.codec_context.sample_rate)
        self.num_channels = int(stream.codec_context.layout.nb_channels)
        self.promised = promised
        self.slack = self.sample_rate // 10 if slack is None else slack  # encoders pad and containers round
        samples = stream.codec_context.format  # not known where only the end of the file says it
        self.bits = 8 * samples.bytes if samples is not None and stream.codec_context.codec.lossless else 16
        self.is_mended = is_mended
        self.num_filled = 0
        self.num_dropped = 0

    def blocks(self, start: int) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yield float32 blocks from sample `start` to the end, every packet at the place of its time stamp.

        Everything before `start` is decoded too: codecs carry state, and containers seek to packets, not to samples.
        """
        import av

        timeline = Timeline(self.sample_rate, self._origin())
        is_stamped = _is_one_of(self._container, _STAMPED)
        try:
            for frame in self._frames():
                samples = _to_float(frame)
                self._check_layout(frame.sample_rate, samples.shape[1])
                stamp = None
                if is_stamped and frame.pts is not None and frame.time_base:
                    stamp = round(frame.pts * frame.time_base * self.sample_rate)
                for block in timeline.place(stamp, samples):
                    if start < len(block):
                        yield block[start:]
                    start = max(0, start - len(block))
                self.num_filled, self.num_dropped = timeline.num_filled, timeline.num_dropped
        except av.FFmpegError as error:
            raise DecoderStoppedError(f"FFmpeg: {error.strerror}") from error

    def _frames(self) -> Iterator[Any]:
        """Decode packet by packet. Where MPEG files were joined, FFmpeg would drop the first frame behind a tag with the tag."""
        from av.packet import Packet

        is_mpeg = _is_one_of(self._container, ("mp3",))
        for packet in self._container.demux(self._stream):
            if is_mpeg and (end := end_of_tags(data := bytes(packet))):
                yield from self._stream.codec_context.decode(Packet(data[end:])) if end < len(data) else ()
            else:
                yield from packet.decode()

    def _origin(self) -> int | None:
        """The sample of the container's clock at which the recording begins: that of the earliest stream, a picture perhaps."""
        if _is_one_of(self._container, _CLOCKS):
            return 0
        began = self._container.start_time
        return None if began is None else began * self.sample_rate // 1_000_000

    def _check_layout(self, sample_rate: int, num_channels: int) -> None:
        if (sample_rate, num_channels) != (self.sample_rate, self.num_channels):
            detail = (
                f"from here on it has {sample_rate} Hz and {num_channels} channels, before {self.sample_rate} Hz and "
                f"{self.num_channels}. Split the file there"
            )
            raise DecoderStoppedError(detail, is_damage=False)


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


def open_ffmpeg(path: Path, stack: ExitStack, container: Container | None = None, data: bytes | None = None) -> FfmpegDecoder:
    """Open a file, or its bytes, with PyAV and close with `stack`; a name that ends in .g722 is headerless G.722 at 16 kHz, mono.

    Raises:
        AudioError: if FFmpeg cannot read the file or finds no audio in it.
    """
    import av

    about = container or Container()
    if about.fault:
        raise AudioError("unreadable", path, f"{about.fault}.")
    is_g722 = path.suffix.lower() == ".g722"
    try:
        # A playlist named .wav must not make FFmpeg open other files or addresses.
        options = {"protocol_whitelist": "file"} | ({"ignore_length": "1"} if about.samples else {})
        source: Any = str(path) if data is None else BytesIO(data)
        opened = stack.enter_context(av.open(source, format="g722" if is_g722 else None, options=options))
    except (av.FFmpegError, ValueError) as error:
        detail = f"neither libsndfile nor FFmpeg can read it as audio ({getattr(error, 'strerror', error)})."
        raise AudioError("unreadable", path, detail) from error
    if not opened.streams.audio:
        raise AudioError("unreadable", path, "FFmpeg opens it and finds no audio in it.")
    stream = opened.streams.audio[0]
    if stream.codec_context is None or not stream.codec_context.sample_rate:
        raise AudioError("unreadable", path, "FFmpeg finds no sample rate in it.")
    if not stream.codec_context.layout.nb_channels:
        raise AudioError("unreadable", path, "the header says that it has no channels. Mend the header.")
    if is_g722:
        size = path.stat().st_size if data is None else len(data)
        return FfmpegDecoder(opened, stream, size * 2)  # four bits a sample
    if about.promised is not None:
        slack = _MPEG_SLACK if _is_one_of(opened, ("mp3",)) else 0
        return FfmpegDecoder(opened, stream, about.promised, slack)
    return FfmpegDecoder(opened, stream, _promised(opened, stream), is_mended=about.samples is not None)


def _is_one_of(container: Any, formats: tuple[str, ...]) -> bool:
    return any(name in formats for name in container.format.name.split(","))


def _promised(container: Any, stream: Any) -> int | None:
    """Return the number of samples that the container announces, or None."""
    if not _is_one_of(container, _EXACT):
        return None
    if _is_one_of(container, ("matroska", "webm")) and stream.duration is not None:
        return None  # Matroska stores no duration of a stream: where a live one has none at all, FFmpeg guesses by the bit rate
    if stream.duration is not None:
        return int(stream.duration * stream.time_base * stream.codec_context.sample_rate)
    if container.duration is not None and len(container.streams) == 1:  # in microseconds, of the longest stream
        return container.duration * stream.codec_context.sample_rate // 1_000_000
    return None
