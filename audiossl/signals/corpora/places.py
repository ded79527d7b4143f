"""What verbs take as recordings: corpora and paths of anything that holds some, joined with a table, chosen by a condition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.joining import join_table
from audiossl.signals.corpora.recordings import Recordings, gather, recordings_of
from audiossl.signals.corpora.sources import filter_recordings
from audiossl.where import parse_where

Place = str | Path | Corpus


def gather_places(
    places: Place | Sequence[Place], sample_rate: int, table: str | Path | None = None, where: str | None = None
) -> Recordings:
    """Gather recordings, in the order of their ids.

    Args:
        places: corpora, and paths as `audiossl.signals.corpora.recordings.gather` takes them.
        sample_rate: rate at which items are to be read, in Hz.
        table: table whose rows are joined to them (`audiossl.signals.corpora.joining`).
        where: condition on their columns (`audiossl.where`).

    Raises:
        ConfigError: if a path or column does not exist, or the condition is none.
        DataError: if a table or manifest cannot be read, or the condition holds for no recording.
    """
    if where is not None:
        parse_where(where)  # before any file is looked at
    listed = [places] if isinstance(places, str | Path | Corpus) else list(places)
    gathered = gather([Path(place) for place in listed if not isinstance(place, Corpus)], sample_rate)
    for corpus in (place for place in listed if isinstance(place, Corpus)):
        gathered.add(recordings_of(corpus, sample_rate))
    gathered.by_id = dict(sorted(gathered.by_id.items()))
    if table is not None:
        gathered = join_table(gathered, Path(table))
    return gathered if where is None else filter_recordings(gathered, where)
