"""Recordings of many formats as bytes, written by FFmpeg and libsndfile, and what happens to them in the field."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import cache

import av
import numpy as np
import soundfile

VBR = (("flags", "+qscale"), ("global_quality", str(118 * 4)))  # as lame -V4


@cache
def sounds(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Harmonics and noise under a slow envelope, so that a codec of variable bit rate varies it; float32 mono."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (150 * time + 10 * np.sin(4 * time + seed))
    voiced = sum(np.sin(k * phase) / k for k in range(1, 12))
    noise = np.clip(np.sin(7 * time + 1), 0, 1) ** 4 * rng.standard_normal(len(time))
    samples = np.clip(np.sin(5 * time), 0, 1) * voiced + 0.5 * noise
    return (0.3 * samples / np.abs(samples).max()).astype(np.float32)


def beeps(seconds: float, rate: int) -> np.ndarray:
    """A beep of 10 ms at 0.5 s, 1.5 s, ..."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2000 * np.pi * time) * ((time % 1 >= 0.5) & (time % 1 < 0.51))).astype(np.float32)


def beginnings(samples: np.ndarray, rate: int) -> list[float]:
    """When the beeps begin, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    return [float(place) / rate for place in loud[np.r_[True, np.diff(loud) > rate // 10]]]


class _Pipe:
    """What an encoder sees that writes to a pipe: no seek."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += bytes(data)
        return len(data)


@cache
def _encoded(key: tuple, codec: str, container: str, rate: int, options: tuple, pipe: bool, bit_rate: int | None) -> bytes:
    samples = np.frombuffer(key[0], np.float32).reshape(key[1])
    target = _Pipe() if pipe else io.BytesIO()
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono", options=dict(options))
        if bit_rate:
            stream.bit_rate = bit_rate
        size = 960 if rate == 48_000 else 1024
        for first in range(0, len(samples), size):
            block = np.ascontiguousarray(samples[None, first : first + size])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, first
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return bytes(target.data) if isinstance(target, _Pipe) else target.getvalue()


def ffmpeg(
    samples: np.ndarray,
    rate: int,
    codec: str,
    container: str,
    options: tuple = (),
    pipe: bool = False,
    bit_rate: int | None = None,
) -> bytes:
    """Encode mono samples with FFmpeg; `pipe`: to something that cannot be rewound."""
    return _encoded((samples.tobytes(), samples.shape), codec, container, rate, options, pipe, bit_rate)


def libsndfile(samples: np.ndarray, rate: int, container: str, subtype: str = "PCM_16") -> bytes:
    """Encode with libsndfile."""
    with io.BytesIO() as file:
        soundfile.write(file, samples, rate, format=container, subtype=subtype)
        return file.getvalue()


def moved_after(data: bytes, container: str, at: float, by: float) -> bytes:
    """Copy the packets into a new container, those from `at` seconds on later by `by` seconds: what a lost connection leaves."""
    return _repacked(data, container, lambda second: second + by if second >= at else second)


def _repacked(data: bytes, container: str, moved: Callable[[float], float]) -> bytes:
    target = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(target, "w", format=container) as output:
        stream = output.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is None:
                continue
            second = float(packet.pts * packet.time_base)
            late = round((moved(second) - second) / float(packet.time_base))
            packet.pts, packet.dts = packet.pts + late, packet.dts + late
            packet.stream = stream
            output.mux(packet)
    return target.getvalue()


def with_size(data: bytes, container: str, size: int) -> bytes:
    """Let the header of a file of libsndfile promise `size` bytes of samples, in all places that say it."""
    changed = bytearray(data)

    def add(at: int, form: str, extra: int) -> None:
        old = struct.unpack_from(form, data, at)[0]
        struct.pack_into(form, changed, at, (old + extra) % (1 << 8 * struct.calcsize(form)))

    if container in ("WAV", "WAVEX"):
        at = data.index(b"data") + 4
        more = size - struct.unpack_from("<I", data, at)[0]
        add(at, "<I", more), add(4, "<I", more)
    elif container == "RF64":
        more = size - struct.unpack_from("<Q", data, 28)[0]
        add(28, "<Q", more), add(20, "<Q", more)
    elif container == "W64":
        at = data.index(b"data\xf3\xac\xd3\x11") + 16
        more = size + 24 - struct.unpack_from("<Q", data, at)[0]
        add(at, "<Q", more), add(16, "<Q", more)
    elif container == "AIFF":
        at = data.index(b"SSND") + 4
        more = size + 8 - struct.unpack_from(">I", data, at)[0]
        add(at, ">I", more), add(4, ">I", more)
    elif container == "AU":
        struct.pack_into(">I", changed, 8, size)
    elif container == "CAF":
        struct.pack_into(">Q", changed, data.index(b"data") + 4, size + 4)
    return bytes(changed)
