"""What can be embedded: arrays in memory and audio files, read whole or block by block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError

Signal = str | Path | np.ndarray | Tensor
BLOCK_SECONDS = 10.0


class ArraySource:
    """A signal in memory, (C, S) at the encoder's rate."""

    def __init__(self, signal: Float[Tensor, "C S"]) -> None:
        self.signal = signal
        self.num_samples = signal.shape[1]

    def read(self) -> Float[Tensor, "C S"]:
        """The whole signal."""
        return self.signal

    def blocks(self) -> Iterator[Float[Tensor, "C S"]]:
        """The whole signal as one block: it is in memory already."""
        yield self.signal


class FileSource:
    """An audio file, mixed down and resampled to `sample_rate` when it is read; only its header is read before.

    Raises:
        DataError: if the file cannot be used, or `sample_rate` is not one of audio.
    """

    def __init__(self, path: Path, sample_rate: float) -> None:
        from audiossl.signals.audio import probe, resampled_length

        if sample_rate < 1000 or sample_rate != round(sample_rate):
            raise DataError(f"{path}: expected a model of audio, this one takes {sample_rate:g} Hz: pass arrays, not files")
        info = probe(path)
        self.path = path
        self.sample_rate = round(sample_rate)
        self.num_samples = resampled_length(info.num_samples, info.sample_rate, self.sample_rate)

    def read(self) -> Float[Tensor, "C S"]:
        """The whole file."""
        from audiossl.signals.audio import read_audio

        return read_audio(self.path, self.sample_rate)[0][None]

    def blocks(self) -> Iterator[Float[Tensor, "C S"]]:
        """The file in blocks of 10 s, for files that should not be in memory at once."""
        from audiossl.signals.audio import stream_audio

        for block in stream_audio(self.path, self.sample_rate, BLOCK_SECONDS):
            yield block[None]


def open_source(
    signal: Any, encoder_rate: float, sample_rate: float | int | None = None, name: str = "signal"
) -> ArraySource | FileSource:
    """Make a source at the encoder's rate from a path or an array (S,) or (C, S).

    Args:
        signal: path, numpy array or tensor.
        encoder_rate: Hz that the encoder wants.
        sample_rate: Hz of an array; None means `encoder_rate`. Paths know their own.
        name: how messages call an array.

    Raises:
        DataError: if the signal is empty, not floating point, not finite or of another shape, or the file cannot be read.
    """
    if isinstance(signal, str | Path):
        return FileSource(Path(signal), encoder_rate)
    if not isinstance(signal, np.ndarray | Tensor):
        raise DataError(f"{name}: expected a path, an array or a tensor, got {type(signal).__name__}")
    array = torch.as_tensor(signal).detach()
    if array.ndim not in (1, 2):
        raise DataError(f"{name}: expected an array (samples,) or (channels, samples), got shape {tuple(array.shape)}")
    if not array.is_floating_point():
        raise DataError(f"{name}: expected floating-point samples, got {array.dtype}: divide 16-bit samples by 32768")
    if array.ndim == 2 and array.shape[0] > array.shape[1] and encoder_rate >= 1000:
        raise DataError(f"{name}: expected (channels, samples), got shape {tuple(array.shape)}: transpose it")
    channels = checked((array if array.ndim == 2 else array[None]).to("cpu", torch.float32), name)
    if sample_rate is not None and sample_rate != encoder_rate:
        channels = resampled(channels, sample_rate, encoder_rate, name)
    return ArraySource(channels)


def checked(signal: Tensor, name: str) -> Tensor:
    """Return the signal (C, S) when it holds finite samples.

    Raises:
        DataError: if it is empty or holds NaN or infinity.
    """
    if signal.numel() == 0:
        raise DataError(f"{name}: expected at least one sample, got an empty signal")
    if not bool(torch.isfinite(signal).all()):
        raise DataError(f"{name}: expected finite samples, got NaN or infinity")
    return signal


def resampled(signal: Float[Tensor, "C S"], from_rate: float | int, to_rate: float, name: str) -> Float[Tensor, "C S2"]:
    """Resample every channel with soxr, high quality; a signal too short for one sample keeps its first."""
    import soxr

    if not from_rate > 0:
        raise DataError(f"{name}: expected a sample_rate above 0 Hz, got {from_rate}")
    samples = soxr.resample(signal.numpy().T, from_rate, to_rate).reshape(-1, len(signal))
    output = torch.from_numpy(np.ascontiguousarray(samples.T))
    return output if output.shape[1] else signal[:, :1]
