"""All layers of all clips, made once for an encoder and shared by every task, learning rate and layer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.store import EmbeddingStore, StoreDescription
from audiossl.embedding.store_writer import StoreWriter
from audiossl.errors import DataError
from audiossl.evaluation.superb.tables import Clip
from audiossl.progress import Report, silent
from audiossl.signals.audio import read_audio

GROUP_CLIPS = 64  # that are read together, so that batches of similar length can be formed


class LayerFeatures:
    """Layers of clips as float16 memory maps, with `ceil(samples / stride)` frames as s3prl counts them.

    Where the encoder gives fewer frames its last one is repeated, where it gives more they are cut.

    Args:
        embedder: encoder whose layers are stored.
        folder: folder of the store; one encoder each.
        gain_db: gain of the audio, in decibels.
    """

    def __init__(self, embedder: Embedder, folder: Path, gain_db: float = 0.0) -> None:
        self.embedder, self.folder, self.gain_db = embedder, folder, gain_db
        layers = list(range(embedder.num_layers))
        self.description = StoreDescription(
            embedder.name, embedder.digest, layers, embedder.dim, embedder.frame_rate, embedder.frame_offset
        )
        self.num_layers, self.dim = embedder.num_layers, embedder.dim
        self.stride = embedder.sample_rate / embedder.frame_rate
        self._store: EmbeddingStore | None = None
        self._keys: dict[tuple[Path, float, float | None], str] = {}

    def make(self, clips: Iterable[Clip], progress: Report = silent) -> None:
        """Embed the clips that the store lacks.

        Raises:
            DataError: if audio cannot be read or is shorter than a frame.
            StoreError: if the folder holds features of another encoder.
        """
        self._keys.clear()
        wanted = {self._key(clip): clip for clip in clips}
        with StoreWriter(self.folder, self.description) as writer:
            todo = [(key, clip) for key, clip in wanted.items() if key not in writer]
            for first in range(0, len(todo), GROUP_CLIPS):
                group = todo[first : first + GROUP_CLIPS]
                progress("features", first, len(todo))
                signals = [self._read(clip) for _, clip in group]
                embeddings = self.embedder.embed(signals, layers="all")
                for (key, clip), signal, embedding in zip(group, signals, embeddings, strict=True):
                    frames = self._counted(embedding.frames, signal.shape[0])
                    writer.add(key, frames.numpy(), clip.start, str(clip.path))
        self._store = None

    def __getitem__(self, clip: Clip) -> Float[np.ndarray, "L T D"]:
        """Layers of a clip, a view of the memory map.

        Raises:
            StoreError: if `make` has not been called for it.
        """
        if self._store is None:
            self._store = EmbeddingStore.open(self.folder)
        return self._store[self._key(clip)]

    def num_frames(self, clip: Clip) -> int:
        """Frames of a clip."""
        return self[clip].shape[1]

    def key(self, clips: Iterable[Clip]) -> str:
        """Hash of which audio these clips are: that of a file that was written anew is another."""
        return hashlib.blake2b("".join(map(self._key, clips)).encode(), digest_size=16).hexdigest()

    def batch(
        self, clips: Sequence[Clip], spans: Sequence[tuple[int, int]] | None = None
    ) -> tuple[Float[Tensor, "L B T D"], Int[Tensor, "B"]]:
        """Pad clips, or a span of frames of each, to a batch in float32; and their frames."""
        rows = [self[clip] for clip in clips]
        if spans is not None:
            rows = [row[:, first:last] for row, (first, last) in zip(rows, spans, strict=True)]
        lengths = torch.tensor([row.shape[1] for row in rows])
        padded = torch.zeros(self.num_layers, len(rows), int(lengths.max()), self.dim)
        for place, row in enumerate(rows):
            padded[:, place, : row.shape[1]] = torch.from_numpy(np.array(row, dtype=np.float32))
        return padded, lengths

    def _read(self, clip: Clip) -> Float[Tensor, "S"]:
        duration = None if clip.end is None else clip.end - clip.start
        samples = read_audio(clip.path, round(self.embedder.sample_rate), clip.start, duration)[0]
        if len(samples) < self.stride:
            raise DataError(f"{clip.path}: {len(samples)} samples are less than a frame of the encoder ({self.stride:g} samples)")
        return samples * 10 ** (self.gain_db / 20)

    def _counted(self, frames: Float[Tensor, "L T D"], num_samples: int) -> Float[Tensor, "L T2 D"]:
        given, wanted = frames.shape[1], math.ceil(num_samples / self.stride - 1e-9)
        return frames[:, torch.arange(wanted).clamp(max=given - 1)]

    def _key(self, clip: Clip) -> str:
        """Names audio in the store by what the file was when `make` was called."""
        place = (clip.path, clip.start, clip.end)
        if place not in self._keys:
            try:
                status = clip.path.stat()
            except OSError as error:
                raise DataError(f"{clip.path} is missing: the table of '{clip.id}' names it") from error
            parts = [clip.path.resolve(), status.st_size, status.st_mtime_ns, clip.start, clip.end, self.gain_db]
            self._keys[place] = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()
        return self._keys[place]
