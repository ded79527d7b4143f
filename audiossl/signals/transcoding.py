"""Write a recording as mono FLAC, with the channels that survive and as many bits as it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from audiossl.errors import DataError
from audiossl.signals.audio import decode, in_blocks, mixed_down, open_decoder
from audiossl.signals.corpora.sound_digest import SoundDigest
from audiossl.signals.decoder import Decoder
from audiossl.signals.levels import ChannelLevels, SignalFaults, measured

BLOCK_SECONDS = 30.0


def check_rate(sample_rate: int) -> None:
    """FLAC stores rates above 65,535 Hz in tens of Hz, up to 655,350."""
    if sample_rate > 655_350 or (sample_rate > 65_535 and sample_rate % 10):
        near = min(655_350, round(sample_rate / 10) * 10)
        raise DataError(
            f"FLAC cannot hold {sample_rate:,} Hz. Take sample_rate={near}, or transcode=False, which writes no audio."
        )


@dataclass(frozen=True)
class Transcoded:
    """What was written, and what is wrong with the recording.

    Attributes:
        num_samples: number of samples of the FLAC.
        faults: faults of the recording's channels.
        names: what of `corpus_faults.COUNTED` applies.
        bits: bits per sample of the FLAC.
        sound: digest of the samples.
    """

    num_samples: int
    faults: SignalFaults
    names: frozenset[str]
    bits: int
    sound: str


def transcode(source: Path, target: Path, sample_rate: int, check: Callable[[float], None]) -> Transcoded:
    """Write the recording as FLAC; 16-bit samples at the right rate come out bit by bit.

    It is decoded once, and once more where only its end shows that other channels or more bits are needed.

    Args:
        source: the recording.
        target: the FLAC.
        sample_rate: sample rate in Hz.
        check: called with the seconds so far; may raise.

    Raises:
        AudioError: if the recording cannot be used.
        soundfile.LibsndfileError: if the FLAC cannot be written.
    """
    done = _write(source, target, sample_rate, check)
    needed = 24 if done.faults.is_quiet else done.bits
    if done.faults.channels is not None or needed > done.bits:
        done = _write(source, target, sample_rate, check, done.faults.channels, needed)
    return done


def _write(
    source: Path,
    target: Path,
    sample_rate: int,
    check: Callable[[float], None],
    channels: tuple[int, ...] | None = None,
    bits: int | None = None,
) -> Transcoded:
    """Write the mean of the channels as FLAC; without `bits`, with as many as the recording has."""
    num_samples, is_clipped, sound = 0, False, SoundDigest()
    with open_decoder(source) as decoder:
        levels = ChannelLevels(decoder.num_channels)
        bits = bits or (16 if decoder.bits <= 16 else 24)
        full = float(1 << (bits - 1))
        raw = measured(decode(source, decoder), levels)
        mono = (mixed_down(block if channels is None else block[:, list(channels)]) for block in raw)
        with _flac(target, sample_rate, bits) as file:
            for block in in_blocks(source, mono, decoder.sample_rate, sample_rate, BLOCK_SECONDS):
                sound.update(block.numpy())
                scaled = np.rint(block.numpy().astype(np.float64) * full)
                is_clipped |= bool((scaled > full).any() or (scaled < -full).any())  # +1.0 itself is 32768: let it pass
                scaled = np.clip(scaled, -full, full - 1)
                file.write(scaled.astype(np.int16) if bits == 16 else scaled.astype(np.int32) << 8)
                num_samples += len(block)
                check(num_samples / sample_rate)
        faults = levels.faults()
        return Transcoded(num_samples, faults, names_of(decoder, faults, is_clipped), bits, sound.hexdigest())


def names_of(decoder: Decoder, faults: SignalFaults, is_clipped: bool = False) -> frozenset[str]:
    """What of `corpus_faults.COUNTED` applies to a recording that was decoded to its end."""
    has = {
        "silent": faults.is_silent,
        "cancelled": faults.is_cancelled,
        "dead_channels": faults.has_dead_channel,
        "quiet": faults.is_quiet,
        "clipped": is_clipped or faults.is_clipped,
        "gaps": decoder.num_filled > 0 or decoder.num_dropped > 0,
        "mended": decoder.is_mended,
    }
    return frozenset(name for name, applies in has.items() if applies)


def _flac(path: Path, sample_rate: int, bits: int) -> soundfile.SoundFile:
    return soundfile.SoundFile(str(path), "w", samplerate=sample_rate, channels=1, subtype=f"PCM_{bits}", format="FLAC")
