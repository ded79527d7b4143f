"""Measure the channels of a recording while it is decoded: what destroys its signal, and which channels survive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from audiossl.signals.audio import decode, mixed_down, open_decoder

DEAD_BELOW = 1e-5  # energy as a share of that of the loudest channel: -50 dB, the hiss of an input that nothing is plugged into
CANCELLED_BELOW = 0.25  # energy of the mean as a share of what it has where channels have nothing in common: -6 dB
QUIET_RMS = 1e-3  # -60 dBFS; the steps of 16 bits are 30 dB below
FULL_SCALE = 0.98
MOST_CHANNELS = 16  # of an array with more, nothing is left out: products of all pairs would take longer than decoding
CLIPPED_RUN = 3  # so many equal samples in a row at full scale are a top that was cut off


@dataclass(frozen=True)
class SignalFaults:
    """What is wrong with a whole recording, and which channels to average so that least of it is lost.

    Attributes:
        channels: the channels to average; None averages all, as is right for nearly every recording.
        is_silent: no channel holds anything but a constant.
        is_cancelled: the channels are of opposite phase, so that their mean loses most of the energy; the loudest is kept.
        has_dead_channel: a channel holds nothing, or 50 dB less than the loudest; the living ones are kept, at their full level.
        is_quiet: what is kept is below -60 dBFS (root mean square).
        is_clipped: samples were cut off at full scale when it was recorded.
    """

    channels: tuple[int, ...] | None = None
    is_silent: bool = False
    is_cancelled: bool = False
    has_dead_channel: bool = False
    is_quiet: bool = False
    is_clipped: bool = False


class ChannelLevels:
    """Sums over all samples of a recording, block by block, from which `faults` finds what is wrong with it."""

    def __init__(self, num_channels: int) -> None:
        self._count = 0
        self._sum = np.zeros(num_channels)
        self._products = np.zeros((num_channels, num_channels))
        self._low, self._high = np.full(num_channels, np.inf), np.full(num_channels, -np.inf)
        self._is_clipped = np.zeros(num_channels, bool)

    def add(self, block: Float[np.ndarray, "S C"]) -> None:
        """Take the next block into account."""
        if not len(block):
            return
        rows = np.ascontiguousarray(block.T)
        low, high = rows.min(axis=1), rows.max(axis=1)
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        for channel in np.flatnonzero(np.maximum(-low, high) >= FULL_SCALE):
            self._is_clipped[channel] |= _has_flat_top(rows[channel])
        if len(rows) <= MOST_CHANNELS:
            wide = rows.astype(np.float64)
            self._sum += wide.sum(axis=1)
            self._products += wide @ wide.T
        self._count += len(block)

    def faults(self) -> SignalFaults:
        """Judge the recording as far as it was added."""
        num_channels = len(self._sum)
        if not self._count:
            return SignalFaults()
        mean = self._sum / self._count
        covariance = self._products / self._count - np.outer(mean, mean)
        energy = np.where(self._high > self._low, np.maximum(np.diag(covariance), 0), 0)
        if not (self._high > self._low).any():
            return SignalFaults(is_silent=True)
        if num_channels > MOST_CHANNELS:
            return SignalFaults(is_clipped=bool(self._is_clipped.any()))
        alive = np.flatnonzero(energy > DEAD_BELOW * energy.max())
        if not len(alive):  # so quiet that rounding leaves nothing: keep all
            alive = np.arange(num_channels)
        kept, is_cancelled = alive, False
        mixed = covariance[np.ix_(alive, alive)].mean()  # the energy of the mean
        if len(alive) > 1 and mixed < CANCELLED_BELOW * energy[alive].sum() / len(alive) ** 2:
            kept, is_cancelled = alive[[int(energy[alive].argmax())]], True
            mixed = energy[kept[0]]
        return SignalFaults(
            channels=None if len(kept) == num_channels else tuple(int(channel) for channel in kept),
            is_cancelled=is_cancelled,
            has_dead_channel=len(alive) < num_channels,
            is_quiet=bool(mixed < QUIET_RMS**2),
            is_clipped=bool(self._is_clipped[kept].any()),
        )


def measure(path: str | Path) -> SignalFaults:
    """Decode a recording once, and find what is wrong with it and which channels to average.

    `build_corpus` does this for each recording and writes the channels into its manifest. Whoever reads files without a corpus
    passes them on, whole and in excerpts alike:

        channels = measure(path).channels
        samples, rate = read_audio(path, 16_000, start, duration, channels)

    Raises:
        AudioError: as `read_audio`.
    """
    path = Path(path)
    with open_decoder(path) as decoder:
        levels = ChannelLevels(decoder.num_channels)
        for _ in measured(decode(path, decoder), levels):
            pass
        return levels.faults()


def mixed_to_mono(signal: Float[np.ndarray, "C S"]) -> Float[np.ndarray, "S"]:
    """Average the channels of a whole recording in memory that survive, as `measure` finds them for a file.

    >>> mixed_to_mono(np.array([[0.5, -0.5, 0.25], [-0.5, 0.5, -0.25]], np.float32))
    array([ 0.5 , -0.5 ,  0.25], dtype=float32)
    """
    levels = ChannelLevels(len(signal))
    levels.add(signal.T)
    channels = levels.faults().channels
    return mixed_down(signal.T if channels is None else signal[list(channels)].T)


def measured(blocks: Iterator[Float[np.ndarray, "S C"]], levels: ChannelLevels) -> Iterator[Float[np.ndarray, "S C"]]:
    """Pass blocks on, and add them to the levels on the way."""
    for block in blocks:
        levels.add(block)
        yield block


def _has_flat_top(samples: Float[np.ndarray, "S"]) -> bool:
    """Tell whether several samples in a row have the same value at full scale."""
    same = (samples[1:] == samples[:-1]) & (np.abs(samples[1:]) >= FULL_SCALE)
    runs = same.copy()
    for shift in range(1, CLIPPED_RUN - 1):
        runs = runs[:-1] & same[shift:]
    return bool(runs.any())
