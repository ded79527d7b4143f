"""Which recordings a call is to embed: gathered, joined with a table, chosen by a condition and by the job that they fall to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.series import gather_series, is_of_brains, join_people, refuse_series
from audiossl.errors import ConfigError
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.joining import join_table
from audiossl.signals.corpora.places import Place, gather_places
from audiossl.signals.corpora.recordings import Recordings
from audiossl.signals.corpora.sources import filter_recordings

__all__ = ["Place", "Shard", "gather_wanted"]

Shard = tuple[int, int]


def gather_wanted(
    embedder: Embedder,
    recordings: Place | Sequence[Place],
    *,
    table: str | Path | None = None,
    where: str | None = None,
    shard: Shard | None = None,
) -> Recordings:
    """Gather recordings for a model: audio, or series of sensors or BOLD runs where it takes these.

    Args:
        embedder: the model; recordings are read at its rate.
        recordings, table, where: recordings, as `audiossl.signals.corpora.places.gather_places` takes them.
        shard: (i, n) takes those that fall to job i of n; which job one falls to depends on its id only.

    Raises:
        ConfigError: if a path, column or shard does not exist, or the model does not take what is there.
        DataError: if a table or manifest cannot be read, or the condition holds for no recording.
    """
    if shard is not None and not 0 <= shard[0] < shard[1]:
        raise ConfigError(f"expected a shard i/n with 0 <= i < n, got {shard[0]}/{shard[1]}")
    takes = embedder.takes
    listed = [recordings] if isinstance(recordings, str | Path | Corpus) else list(recordings)
    if takes.is_audio:
        refuse_series(embedder.name, takes, listed)
        gathered = gather_places(listed, round(embedder.sample_rate), table, where)
    else:
        if corpora := [place for place in listed if isinstance(place, Corpus)]:
            raise ConfigError(f"{corpora[0]} is a corpus of audio; {embedder.name} takes {takes}")
        gathered = gather_series(embedder.name, takes, [place for place in listed if not isinstance(place, Corpus)])
        if table is not None:
            gathered = join_people(gathered, Path(table)) if is_of_brains(takes) else join_table(gathered, Path(table))
        gathered = gathered if where is None else filter_recordings(gathered, where)
    if shard is not None:
        gathered.by_id = {id_: one for id_, one in gathered.by_id.items() if derive_seed(id_) % shard[1] == shard[0]}
        gathered.rejected = [row for row in gathered.rejected if derive_seed(row["id"]) % shard[1] == shard[0]]
    return gathered
