"""Embedding a few recordings at once; engines send it to where the work is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from audiossl.embedding.embedder import Embedder, Embedding, Layers
from audiossl.embedding.series import SeriesRecording
from audiossl.embedding.sources import FileSource, ItemSource, Source
from audiossl.engines import Row
from audiossl.errors import DataError
from audiossl.signals.corpora.origins import Origin
from audiossl.signals.corpora.recordings import Recording

GROUP_FILES = 64  # files that are open together, so that batches of similar length can be formed


class EmbedGroup:
    """Embeds the wanted ones of a few recordings: short ones in one batch with all others that are short, long ones one by one.

    A bad file yields its error. If none of the wanted short ones can be read, the others are not embedded for nothing.
    """

    def __init__(self, embedder: Embedder, layers: Layers, recordings: Mapping[str, Recording]) -> None:
        self.embedder = embedder
        self.layers: Layers = layers
        self.recordings = recordings

    def __call__(self, group: dict[str, Any]) -> Iterator[Row]:
        embedder, ids, wanted = self.embedder, group["ids"], set(group["wanted"])
        short: dict[str, Tensor] = {}
        long: dict[str, Source] = {}
        origins: dict[str, Origin] = {}
        for item_id in sorted(ids, key=lambda name: name not in wanted):  # the wanted ones first
            if item_id not in wanted and not short:
                break
            try:
                if item_id in wanted:  # before it is read: what changes in between is embedded again next time
                    origins[item_id] = Origin.of(self.recordings[item_id])
                source = self._source(item_id)
                if source.num_samples <= embedder.batched_samples:
                    short[item_id] = source.read()
                elif item_id in wanted:
                    long[item_id] = source
            except DataError as error:
                if item_id in wanted:
                    yield self._failed(item_id, error)
        signals = {item_id: short[item_id] for item_id in ids if item_id in short}
        embeddings = embedder.embed(list(signals.values()), layers=self.layers) if signals else []
        for (item_id, signal), embedding in zip(signals.items(), embeddings, strict=True):
            if item_id in wanted:
                yield self._row(item_id, signal.shape[1] / embedder.sample_rate, embedding, origins[item_id])
        for item_id, source in long.items():
            try:
                embedding = embedder.embed_source(source, self.layers)
                yield self._row(item_id, source.num_samples / embedder.sample_rate, embedding, origins[item_id])
            except DataError as error:
                yield self._failed(item_id, error)

    def _source(self, item_id: str) -> Source:
        one = self.recordings[item_id]
        if isinstance(one, SeriesRecording):
            return one.open(self.embedder.takes)
        if one.item is None:
            return FileSource(one.path, self.embedder.sample_rate)
        return ItemSource(one.item, self.embedder.sample_rate)

    def _row(self, item_id: str, seconds: float, embedding: Embedding, origin: Origin) -> Row:
        item = self.recordings[item_id].item
        made = {"start": 0.0 if item is None else item.start, **origin.to_row()}
        return {"id": item_id, "error": "", "seconds": seconds, "frames": _stored(embedding, self.layers), **made}

    @staticmethod
    def _failed(item_id: str, error: DataError) -> Row:
        empty = {"start": 0.0, **Origin().to_row()}
        return {"id": item_id, "error": str(error), "seconds": 0.0, "frames": np.zeros((1, 0, 1), np.float32), **empty}


def _stored(embedding: Embedding, layers: Layers) -> np.ndarray:
    frames = embedding.frames.numpy()
    return frames[None] if layers == "last" else frames
