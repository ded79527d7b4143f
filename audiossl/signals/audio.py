"""Read recordings of any format as mono float32 in [-1, 1] at the rate you want, whole, in part or as a stream."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.signals.container import inspect_container
from audiossl.signals.decoder import AudioError, Decoder, DecoderStoppedError
from audiossl.signals.ffmpeg import open_ffmpeg
from audiossl.signals.libsndfile import open_soundfile

MIN_SAMPLE_RATE = 1_000
MAX_SAMPLE_RATE = 1_000_000  # recorders of bats reach 500 kHz
MAX_AMPLITUDE = 32.0  # +30 dBFS: a float file above it holds integers or garbage, not audio in [-1, 1]
_MARGIN_SECONDS = 0.1  # context on both sides of an excerpt; the filter of soxr HQ is much shorter


@dataclass(frozen=True)
class AudioInfo:
    """What `probe` finds of a recording: `num_samples` counts one channel, and is what `read_audio` returns.

    `num_filled` of them are silence where the time stamps of packets leave a gap, `num_dropped` were left out since they lay over
    others. `is_mended`: the header stated a wrong length.

    >>> import numpy as np, soundfile
    >>> soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    >>> probe("a.wav").duration
    1.0
    """

    path: Path
    sample_rate: int
    num_samples: int
    num_channels: int
    num_filled: int = 0
    num_dropped: int = 0
    is_mended: bool = False

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate


def resampled_length(num_samples: int, from_rate: int, to_rate: int) -> int:
    """Count the samples that `num_samples` become at another rate: the exact quotient, halves rounded up."""
    return (2 * num_samples * to_rate + from_rate) // (2 * from_rate)


def probe(path: str | Path) -> AudioInfo:
    """Find the length, rate and channels of a recording; decodes it where the header does not say the exact length.

    Raises:
        AudioError: if the file is missing, empty, truncated, unreadable, of length zero, or has an impossible sample rate.

    >>> import numpy as np, soundfile
    >>> soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    >>> info = probe("a.wav")
    >>> info.sample_rate, info.num_samples, info.num_channels
    (16000, 16000, 1)
    """
    path = Path(path)
    with open_decoder(path) as decoder:
        num_samples = decoder.promised if decoder.is_exact else None
        if num_samples is None:
            num_samples = sum(len(block) for block in decode(path, decoder))
        if num_samples == 0:
            raise AudioError("zero_length", path, "it holds no samples (zero length).")
        found = (decoder.num_filled, decoder.num_dropped, decoder.is_mended)
        return AudioInfo(path, decoder.sample_rate, num_samples, decoder.num_channels, *found)


def read_audio(
    path: str | Path,
    sample_rate: int | float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    channels: Sequence[int] | None = None,
    data: bytes | None = None,
) -> tuple[Float[Tensor, "S"], int]:
    """Read a recording, or a part of it, as mono float32, and return it with its sample rate.

    A part equals the same samples of the whole, resampled or not. Part of what is asked may lie past the end: what is
    there is returned.

    Args:
        path: the recording.
        sample_rate: rate to resample to, a whole number of Hz (soxr, HQ); None keeps the file's own.
        start: where to begin, in seconds.
        duration: how much to read, in seconds; None reads to the end.
        channels: which channels to average; None averages all.
        data: the bytes of the recording where they are not a file of their own; `path` then only names them.

    Raises:
        AudioError: for whatever is wrong with the file or the excerpt; the message names the file.
        DataError: if `sample_rate` is not a whole number of Hz.

    >>> import numpy as np, soundfile
    >>> soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    >>> samples, rate = read_audio("a.wav", sample_rate=8000, start=0.25, duration=0.5)
    >>> samples.shape, rate
    (torch.Size([4000]), 8000)
    """
    path = Path(path)
    if not (0 <= start < math.inf and (duration is None or 0 < duration < math.inf)):
        raise AudioError(
            "excerpt", path, f"an excerpt starts at 0 s or later and is longer than 0 s, not {start} + {duration} s."
        )
    wanted = None if sample_rate is None else _whole_rate(sample_rate)
    with open_decoder(path, data) as decoder:
        rate = decoder.sample_rate if wanted is None else wanted
        excerpt = _Excerpt.at(decoder.sample_rate, rate, start, duration)
        mono = _limit(decode_mono(path, decoder, excerpt.first, channels), excerpt.count)
        samples = np.concatenate([np.zeros(0, np.float32), *_resample(mono, decoder.sample_rate, rate)])[excerpt.keep]
    if len(samples) == 0:
        if start == 0:
            raise AudioError("zero_length", path, "it holds no samples (zero length).")
        raise AudioError("excerpt", path, f"the excerpt starts at {start:.3f} s, at or past the end of the recording.")
    return torch.from_numpy(samples), rate


def stream_audio(
    path: str | Path, sample_rate: int | float, block_seconds: float = 30.0, channels: Sequence[int] | None = None
) -> Iterator[Float[Tensor, "S"]]:
    """Yield a recording as consecutive blocks of `block_seconds` (the last may be shorter), in bounded memory.

    The blocks put together are what `read_audio(path, sample_rate, channels=channels)` returns.

    Raises:
        AudioError: as `read_audio`, but possibly after some blocks have been yielded.
        DataError: if `sample_rate` is not a whole number of Hz.

    >>> import numpy as np, soundfile
    >>> soundfile.write("a.wav", np.sin(np.arange(16000) / 10), 16000)
    >>> sum(len(block) for block in stream_audio("a.wav", 16000))
    16000
    """
    path, rate = Path(path), _whole_rate(sample_rate)
    with open_decoder(path) as decoder:
        yield from in_blocks(path, decode_mono(path, decoder, channels=channels), decoder.sample_rate, rate, block_seconds)


def in_blocks(
    path: Path, mono: Iterable[Float[np.ndarray, "S"]], from_rate: int, sample_rate: int, block_seconds: float
) -> Iterator[Float[Tensor, "S"]]:
    """Resample decoded samples and yield them in blocks of equal length, as `stream_audio` does.

    Raises:
        AudioError: if there are none.
    """
    block_size = max(1, round(block_seconds * sample_rate))
    held, num_held, is_empty = [], 0, True
    for piece in _resample(mono, from_rate, sample_rate):
        held.append(piece)
        num_held += len(piece)
        if num_held < block_size:
            continue
        samples = np.concatenate(held)
        whole = num_held - num_held % block_size
        for first in range(0, whole, block_size):
            yield torch.from_numpy(samples[first : first + block_size].copy())
        held, num_held, is_empty = [samples[whole:].copy()], num_held - whole, False
    if num_held:
        yield torch.from_numpy(np.concatenate(held))
    elif is_empty:
        raise AudioError("zero_length", path, "it holds no samples (zero length).")


@contextmanager
def open_decoder(path: Path, data: bytes | None = None) -> Iterator[Decoder]:
    """Open a recording, or its bytes, with the first library that can read it.

    Raises:
        AudioError: if the file is missing, empty, truncated or unreadable, or its sample rate is not one of audio.
    """
    if data is None:
        _check_file(path)
    elif not data:
        raise AudioError("empty", path, "it is empty (0 bytes).")
    with ExitStack() as stack:
        container = inspect_container(path, data)
        decoder = open_soundfile(path, stack, container, data) or open_ffmpeg(path, stack, container, data)
        if not MIN_SAMPLE_RATE <= decoder.sample_rate <= MAX_SAMPLE_RATE:
            expected = f"accepted are {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
            advice = "If that is wrong, fix the header; if it is right, this is no recording of sound."
            raise AudioError("sample_rate", path, f"the header says {decoder.sample_rate} Hz; {expected}. {advice}")
        yield decoder


def decode(
    path: Path, decoder: Decoder, start: int = 0, channels: Sequence[int] | None = None
) -> Iterator[Float[np.ndarray, "S C"]]:
    """Yield float32 blocks of the given channels (default all) from sample `start` to the end, checked.

    Raises:
        AudioError: on a sample that is not finite or far outside [-1, 1], where the data end before the header says, and if the
            recording does not have these channels.
    """
    if channels is not None and not all(0 <= channel < decoder.num_channels for channel in channels):
        raise AudioError("channel", path, f"channels {list(channels)} are wanted, the file has {decoder.num_channels}.")
    position = start
    try:
        for block in decoder.blocks(start):
            chosen = block if channels is None else block[:, list(channels)]
            _check_samples(path, chosen, position)
            position += len(chosen)
            yield chosen
    except DecoderStoppedError as error:
        raise _stopped(path, decoder, position, error) from error
    if decoder.promised is not None and start < decoder.promised and position < decoder.promised - decoder.slack:
        raise _stopped(path, decoder, position)


def decode_mono(
    path: Path, decoder: Decoder, start: int = 0, channels: Sequence[int] | None = None
) -> Iterator[Float[np.ndarray, "S"]]:
    """Yield float32 blocks as `decode` does, of the mean of the channels."""
    return map(mixed_down, decode(path, decoder, start, channels))


def mixed_down(block: Float[np.ndarray, "S C"]) -> Float[np.ndarray, "S"]:
    """The mean of the channels."""
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


def _whole_rate(sample_rate: int | float) -> int:
    """Take 16000.0 for 16000: encoders give their rate as a float."""
    if not 0 < sample_rate < math.inf or sample_rate != round(sample_rate):
        raise DataError(f"sample_rate is to be a whole number of Hz above 0, not {sample_rate}.")
    return round(sample_rate)


def _check_file(path: Path) -> None:
    try:
        if not path.is_file():
            raise AudioError("missing", path, "this is a folder, not a file." if path.is_dir() else "no such file.")
        if path.stat().st_size == 0:
            raise AudioError("empty", path, "the file is empty (0 bytes).")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:  # no permission, a name that is too long, a zero byte in the name
        raise AudioError("missing", path, f"the file cannot be opened: {error}.") from error


def _check_samples(path: Path, block: Float[np.ndarray, "S C"], position: int) -> None:
    peak = np.abs(block).max(initial=0.0)
    if not np.isfinite(peak):
        bad = position + int(np.argmin(np.isfinite(block).all(axis=1)))
        raise AudioError("non_finite", path, f"sample {bad} is not a finite number (NaN or infinity).")
    if peak > MAX_AMPLITUDE:
        detail = f"a sample has amplitude {peak:g}; floating-point audio is expected within [-1, 1]. Rescale the file."
        raise AudioError("amplitude", path, detail)


def _stopped(path: Path, decoder: Decoder, position: int, error: DecoderStoppedError | None = None) -> AudioError:
    why = "" if error is None else f" ({error})"
    after = f"decoding stopped after {position / decoder.sample_rate:.2f} s"
    if error is not None and not error.is_damage:
        return AudioError("unreadable", path, f"{after}: {error}.")
    of = f" of {decoder.promised / decoder.sample_rate:.2f} s" if decoder.promised else ""
    return AudioError("truncated", path, f"{after}{of}{why}: the file is truncated or damaged.")


@dataclass(frozen=True)
class _Excerpt:
    """Which samples of the file to read (`first`, `count`), and which of these to keep once they are resampled."""

    first: int
    count: int | None
    keep: slice

    @classmethod
    def at(cls, from_rate: int, to_rate: int, start: float, duration: float | None) -> _Excerpt:
        """Widen the excerpt by a margin, to where a sample of the file meets one of the target grid.

        Only so do the filter phases, and with them the samples, equal those of the whole recording.
        """
        begin = round(start * to_rate)
        size = None if duration is None else round(duration * to_rate)
        if from_rate == to_rate:
            return cls(begin, size, slice(None))
        margin = math.ceil(_MARGIN_SECONDS * from_rate)
        divisor = math.gcd(from_rate, to_rate)
        from_step, to_step = from_rate // divisor, to_rate // divisor
        steps = max(0, (begin * from_rate // to_rate - margin) // from_step)
        skip = begin - steps * to_step
        if size is None:
            return cls(steps * from_step, None, slice(skip, None))
        count = math.ceil((skip + size) * from_rate / to_rate) + margin
        return cls(steps * from_step, count, slice(skip, skip + size))


def _limit(blocks: Iterable[np.ndarray], count: int | None) -> Iterator[np.ndarray]:
    """Pass the first `count` samples on, and do not ask for a block more."""
    left = math.inf if count is None else count
    for block in blocks:
        yield block if len(block) <= left else block[: int(left)]
        left -= len(block)
        if left <= 0:
            return


def _resample(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    if from_rate == to_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_rate, to_rate, num_channels=1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
