"""What can be embedded: arrays in memory and audio files, read whole or block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from audiossl.embedding.takes import Takes, resampled
from audiossl.errors import DataError
from audiossl.signals.corpora.corpus import Corpus, CorpusItem

__all__ = ["ArraySource", "FileSource", "ItemSource", "Signal", "Source", "open_source", "resampled"]

Signal = str | Path | np.ndarray | Tensor
BLOCK_SECONDS = 10.0
ITEM_BLOCK_SECONDS = 300.0  # a block of an item is looked for from the start of its file


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

    Of several channels those are averaged that survive (`audiossl.signals.levels`), which takes one decoding more.

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
        self.num_channels = info.num_channels
        self.num_samples = resampled_length(info.num_samples, info.sample_rate, self.sample_rate)

    def read(self) -> Float[Tensor, "C S"]:
        """The whole file."""
        from audiossl.signals.audio import read_audio

        return read_audio(self.path, self.sample_rate, channels=self._channels)[0][None]

    def blocks(self) -> Iterator[Float[Tensor, "C S"]]:
        """The file in blocks of 10 s, for files that should not be in memory at once."""
        from audiossl.signals.audio import stream_audio

        for block in stream_audio(self.path, self.sample_rate, BLOCK_SECONDS, self._channels):
            yield block[None]

    @cached_property
    def _channels(self) -> tuple[int, ...] | None:
        return _surviving(self.path) if self.num_channels > 1 else None


class ItemSource:
    """An item of a corpus, manifest or table: a part of a recording, read at `sample_rate`.

    Of several channels of a file those are averaged that survive in the whole recording, as `FileSource` does.
    """

    def __init__(self, item: CorpusItem, sample_rate: float | int) -> None:
        if item.cut is None and item.member is None and (item.channels is None or len(item.channels) > 1):
            surviving = _surviving(item.path)
            if surviving is not None and (item.channels is None or set(surviving) < set(item.channels)):
                item = replace(item, channels=surviving)
        self.item = item
        self.sample_rate = round(sample_rate)
        self.num_samples = item.num_samples
        self._corpus = Corpus([item], self.sample_rate, None, Path())

    def read(self) -> Float[Tensor, "C S"]:
        """The whole item."""
        return self._corpus.read(self.item)[None]

    def blocks(self) -> Iterator[Float[Tensor, "C S"]]:
        """The item in blocks of some minutes; what is no file of its own is read at once."""
        if self.item.cut is not None or self.item.member is not None:
            yield self.read()
            return
        size = round(ITEM_BLOCK_SECONDS * self.sample_rate)
        for first in range(0, self.num_samples, size):
            yield self._corpus.read(self.item, first, min(size, self.num_samples - first))[None]


def _surviving(path: Path) -> tuple[int, ...] | None:
    """The channels to average; None for all."""
    try:
        about = path.stat()
    except OSError:  # reading says what is wrong with it
        return None
    return _measured(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=1024)  # many clips of one recording follow each other
def _measured(path: Path, _size: int, _modified: int) -> tuple[int, ...] | None:
    from audiossl.signals.levels import measure

    return measure(path).channels


Source = ArraySource | FileSource | ItemSource


def open_source(
    signal: object, encoder_rate: float, sample_rate: float | int | None = None, name: str = "signal", takes: Takes | None = None
) -> ArraySource | FileSource:
    """Make a source at the encoder's rate from a path or an array (S,) or (C, S).

    Args:
        signal: path, numpy array or tensor.
        encoder_rate: Hz that the encoder wants.
        sample_rate: Hz of an array; None means `encoder_rate`. Paths know their own.
        name: how messages call an array.
        takes: what the encoder takes, if more than the rate is known of it.

    Raises:
        DataError: if the signal is not what the encoder takes, or the file cannot be read.
    """
    takes = takes or Takes(encoder_rate)
    if isinstance(signal, str | Path):
        if not takes.is_audio:
            raise DataError(f"{signal}: expected a model of audio, this one takes {takes}: pass arrays, not files")
        return FileSource(Path(signal), encoder_rate)
    if not isinstance(signal, np.ndarray | Tensor):
        raise DataError(f"{name}: expected a path, an array or a tensor, got {type(signal).__name__}")
    return ArraySource(takes.admit(signal, sample_rate, name))
