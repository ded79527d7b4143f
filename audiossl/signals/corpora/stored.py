"""Open what is a corpus already: a corpus folder, lhotse shards, a lhotse manifest of cuts."""

from __future__ import annotations

from pathlib import Path

from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.shar import is_shar, open_shar
from audiossl.signals.fetching.storage import is_remote, location


def open_stored(path: str | Path, sample_rate: int = 16_000, index: Path | None = None) -> Corpus:
    """Open a corpus folder, a folder or URL of lhotse Shar shards, or a lhotse manifest.

    Args:
        path: path of the folder or file.
        sample_rate: rate at which signals of shards and manifests are read, in Hz; a corpus folder has its own.
        index: folder where the positions found in the tars of shards are kept, see `open_shar`.

    Raises:
        StoreError: if a folder is neither a corpus nor shards.
        DataError: if a manifest or a shard cannot be read.
    """
    place = location(path)
    if is_remote(place) or is_shar(place):
        return open_shar(place, sample_rate, index)
    return Corpus.open(Path(place)) if Path(place).is_dir() else Corpus.from_cuts(Path(place), sample_rate)
