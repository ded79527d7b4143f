"""The speech and audio of SPEAR's dual models; what each data set is and how to get it is in README.md."""

from __future__ import annotations

from pathlib import Path

from audiossl.signals.corpus import Corpus
from audiossl.signals.linking import find_sources, link_corpus

SOURCES = {
    "libriheavy": "speech",
    "gigaspeech": "speech",
    "voxpopuli": "speech",
    "audioset": "audio",
    "freesound": "audio",
    "music4all": "audio",
    "mtg_jamendo": "audio",
    "vggsound": "audio",
}


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Join the data sets below `data_root`; cuts of 0.9 to 32 s, as in the paper."""
    link_corpus(find_sources(data_root, SOURCES), out, min_seconds=0.9, max_seconds=32.0, limit=limit)


def prepare_labels(out: Path, corpus: Corpus, data_root: Path | None, limit: int | None) -> None:
    """There are no labels: these models are measured by `audiossl evaluate`."""
