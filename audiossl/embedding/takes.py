"""What a model takes: audio, or the named channels of sensors at their rate. Files and arrays are held to the same rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.models.encoder import channels_of
from audiossl.signals.audio import MAX_AMPLITUDE, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from audiossl.signals.levels import mixed_to_mono

MANY_CHANNELS, MANY_SECONDS = 3, 0.1  # so many channels for less time are no recording, but a window of sensors
MOST_NAMED = 12  # channels in a message


@dataclass(frozen=True)
class Takes:
    """The input of a model.

    Attributes:
        sample_rate: Hz.
        channels, units: names and units of sensors, or the regions of BOLD runs, in order; none for audio, which is averaged over
            channels.
        reads_missing: whether the model knows what to do with samples that are NaN.
    """

    sample_rate: float
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    reads_missing: bool = False

    @classmethod
    def of(cls, encoder: object) -> Takes:
        """Ask an encoder: `takes` of sensor encoders, `regions` of connectivity encoders, else its rate alone."""
        channels, units = channels_of(encoder)
        return cls(float(cast(Any, encoder).sample_rate), channels, units, bool(channels))

    @property
    def is_audio(self) -> bool:
        """Whether the signal is sound: a rate of audio, and no channels of its own."""
        return not self.channels and self.sample_rate >= MIN_SAMPLE_RATE

    def __str__(self) -> str:
        if self.is_audio:
            return f"audio at {self.sample_rate:g} Hz"
        if not self.channels:
            return f"signals at {self.sample_rate:g} Hz"
        units = self.units or ("",) * len(self.channels)
        named = [f"{name} ({unit})" if unit else name for name, unit in zip(self.channels, units, strict=True)][:MOST_NAMED]
        more = ", ..." if len(self.channels) > MOST_NAMED else ""
        noun = "channels" if len(self.channels) > 1 else "channel"
        return f"{len(self.channels)} {noun} at {self.sample_rate:g} Hz: {', '.join(named)}{more}"

    def admit(self, signal: np.ndarray | Tensor, sample_rate: float | int | None, name: str) -> Float[Tensor, "C S"]:
        """Turn an array into what the model takes, at the rate of the model: audio (1, S), sensors (C, S).

        Args:
            signal: array or tensor (S,) or (C, S) of floats, in any byte order and memory layout.
            sample_rate: Hz of the array; None means that of the model.
            name: how messages call it.

        Raises:
            DataError: if the signal is not one that the model takes; the message says what it takes.
        """
        channels = _as_floats(signal, name, "divide 16-bit samples by 32768" if self.is_audio else "convert counts to units")
        if channels.numel() == 0:
            raise DataError(f"{name}: expected at least one sample, got an empty signal")
        rate = self.sample_rate if sample_rate is None else self._checked_rate(sample_rate, name)
        self._check_layout(channels, rate, name)
        self._check_values(channels, name)
        if self.is_audio and len(channels) > 1:
            channels = torch.from_numpy(mixed_to_mono(channels.numpy()))[None]
        return channels if rate == self.sample_rate else resampled(channels, rate, self.sample_rate, name, self.is_audio)

    def _checked_rate(self, rate: Any, name: str) -> float:
        if isinstance(rate, bool | str) or not (isinstance(rate, int | float | np.integer | np.floating) and 0 < rate < np.inf):
            raise DataError(f"{name}: expected a sample_rate above 0 Hz, got {rate!r}")
        if self.is_audio and not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
            raise DataError(f"{name}: the model takes {self}, and a signal at {rate:g} Hz is no audio")
        return float(rate)

    def _check_layout(self, signal: Float[Tensor, "C S"], rate: float, name: str) -> None:
        count, size = signal.shape
        if self.channels and count != len(self.channels):
            advice = ": transpose it" if size == len(self.channels) else ""
            raise DataError(f"{name}: the model takes {len(self.channels)} channels, got {count}{advice}. It takes {self}")
        if not self.is_audio:
            return
        if count > size:
            raise DataError(f"{name}: expected (channels, samples), got shape {(count, size)}: transpose it")
        if count >= MANY_CHANNELS and size < MANY_SECONDS * rate:
            raise DataError(
                f"{name}: the model takes {self}; {count} channels of {size} samples ({1000 * size / rate:.3g} ms) are no audio"
            )

    def _check_values(self, signal: Float[Tensor, "C S"], name: str) -> None:
        if bool(signal.isinf().any()):
            raise DataError(f"{name}: expected finite samples, got infinity")
        if not self.reads_missing and bool(signal.isnan().any()):
            raise DataError(f"{name}: expected finite samples, got NaN")
        if bool(signal.isnan().all()):
            raise DataError(f"{name}: every sample is missing (NaN)")
        if self.is_audio and (peak := float(signal.abs().max())) > MAX_AMPLITUDE:
            raise DataError(
                f"{name}: a sample has amplitude {peak:g}; audio is expected within [-1, 1]. Divide 16-bit samples by 32768"
            )


def _as_floats(signal: Any, name: str, advice: str) -> Float[Tensor, "C S"]:
    """An array as float32 (C, S) of its own: whatever its byte order, strides and write protection; masked samples are NaN."""
    if isinstance(signal, Tensor):
        is_float, kind = signal.is_floating_point(), str(signal.dtype)
    else:
        is_float, kind = signal.dtype.kind == "f", str(signal.dtype)
    if signal.ndim not in (1, 2):
        raise DataError(f"{name}: expected an array (samples,) or (channels, samples), got shape {tuple(signal.shape)}")
    if not is_float:
        raise DataError(f"{name}: expected floating-point samples, got {kind}: {advice}")
    if isinstance(signal, Tensor):
        floats = signal.detach().to("cpu", torch.float32)
    else:
        filled = np.ma.filled(signal, np.nan) if isinstance(signal, np.ma.MaskedArray) else signal
        with np.errstate(over="ignore"):  # found as infinity below
            floats = torch.from_numpy(np.array(filled, np.float32, order="C", subok=False))
    return floats if floats.ndim == 2 else floats[None]


def resampled(
    signal: Float[Tensor, "C S"], from_rate: float | int, to_rate: float, name: str, is_audio: bool = True
) -> Float[Tensor, "C S2"]:
    """Bring every channel to another rate; a signal too short for one sample keeps its first.

    Audio goes through soxr, high quality, as files do; sensors through the filters that training uses, which keep a level at its
    level up to the ends and pass over missing samples.
    """
    if not from_rate > 0:
        raise DataError(f"{name}: expected a sample_rate above 0 Hz, got {from_rate}")
    if is_audio:
        import soxr

        samples = soxr.resample(signal.numpy().T, from_rate, to_rate).reshape(-1, len(signal)).T
    else:
        from audiossl.signals.sensors.filters import resample

        samples = resample(signal.numpy(), float(from_rate), to_rate)
    output = torch.from_numpy(np.ascontiguousarray(samples))
    return output if output.shape[1] else signal[:, :1]
