"""The speech and audio of SPEAR's dual models, 97k h; what each data set is and how to get it is in README.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.linking import find_sources, link_corpus

SPEECH: dict[str, str] = dict.fromkeys(("libriheavy", "gigaspeech", "voxpopuli"), "speech")
AUDIO: dict[str, str] = dict.fromkeys(("audioset", "freesound", "music4all", "mtg_jamendo", "vggsound"), "audio")
SOURCES = {**SPEECH, **AUDIO}


def join(sources: Mapping[str, str], out: Path, data_root: Path | None, limit: int | None) -> None:
    """Join data sets below `data_root`; cuts of 0.9 to 32 s, as in the paper."""
    link_corpus(find_sources(data_root, sources), out, min_seconds=0.9, max_seconds=32.0, limit=limit)


def prepare_corpus(out: Path, data_root: Path | None, limit: int | None) -> None:
    """Join speech and audio."""
    join(SOURCES, out, data_root, limit)


def prepare_labels(out: Path, corpus: Corpus, data_root: Path | None, limit: int | None) -> None:
    """There are no labels: these recipes end with pre-training."""
