"""Which recordings a call is to embed: gathered, joined with a table, chosen by a condition and by the job that they fall to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.seeds import derive_seed
from audiossl.signals.corpora.places import Place, gather_places
from audiossl.signals.corpora.recordings import Recordings

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
    """Gather recordings for a model of audio.

    Args:
        embedder: the model; recordings are read at its rate.
        recordings, table, where: recordings, as `audiossl.signals.corpora.places.gather_places` takes them.
        shard: (i, n) takes those that fall to job i of n; which job one falls to depends on its id only.

    Raises:
        ConfigError: if the model is none of audio, or a path, column or shard does not exist.
        DataError: if a table or manifest cannot be read, or the condition holds for no recording.
    """
    if shard is not None and not 0 <= shard[0] < shard[1]:
        raise ConfigError(f"expected a shard i/n with 0 <= i < n, got {shard[0]}/{shard[1]}")
    if not embedder.takes.is_audio:
        raise ConfigError(f"{embedder.name} takes {embedder.takes}, no files of audio: call its embed with arrays")
    gathered = gather_places(recordings, round(embedder.sample_rate), table, where)
    if shard is not None:
        gathered.by_id = {id_: one for id_, one in gathered.by_id.items() if derive_seed(id_) % shard[1] == shard[0]}
        gathered.rejected = [row for row in gathered.rejected if derive_seed(row["id"]) % shard[1] == shard[0]]
    return gathered
