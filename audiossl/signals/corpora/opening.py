"""One way to open whatever can be read as a corpus."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from audiossl.files import read_jsonl
from audiossl.signals.corpora.building import REJECTED, CorpusSummary, Rejected, build_corpus
from audiossl.signals.corpora.clip_tables import is_clip_table
from audiossl.signals.corpora.corpus import Corpus
from audiossl.signals.corpora.finding import Row
from audiossl.signals.corpora.hugging_face_data import is_hub_name, is_hugging_face
from audiossl.signals.corpora.item_fields import item_fields
from audiossl.signals.corpora.kaldi import is_kaldi
from audiossl.signals.corpora.manifest import CorpusItem, Item
from audiossl.signals.corpora.recordings import Recordings, is_corpus
from audiossl.signals.corpora.sources import AudioSource, gather_sources, read_sources
from audiossl.signals.corpora.stored import open_stored
from audiossl.signals.fetching.storage import is_remote, location


def open_corpus(
    path: str | Path | Sequence[object],
    sample_rate: int = 16_000,
    index: Path | None = None,
    *,
    table: str | Path | None = None,
    where: str | None = None,
    rejected: list[Row] | None = None,
) -> Corpus:
    """Open recordings as a corpus; nothing is copied.

    Files without a manifest are decoded once to check them. What cannot be taken is left out and counted.

    Args:
        path: folder of recordings or file of one; table of clips (CSV, TSV, JSON lines, Parquet: path and perhaps start, end, id,
            speaker, text; all other columns are kept as custom fields); corpus folder; lhotse manifest, or folder or URL of
            lhotse Shar shards; Kaldi data folder; Hugging Face data set (saved to disk, Parquet, or `hf:OWNER/NAME`); pattern
            such as `calls/**/*.wav`. A list joins several: paths, or mappings with the fields of `AudioSource`.
        sample_rate: rate at which signals are read, in Hz; a corpus folder has its own.
        index: folder where the positions found in the tars of shards are kept, see `open_shar`.
        table: table whose rows are joined to the recordings by id, path, file name or stem; what has no row is left out.
        where: condition on the columns, such as `speaker != 'a' and duration < 20` (see `audiossl.where`).
        rejected: a list to which what was left out is added: id, path and reason.

    Raises:
        ConfigError: if there is nothing at a path, or the condition is none.
        StoreError: if a corpus folder is damaged.
        DataError: if a manifest, table or shard cannot be read, the table cannot be joined, or no recording is left.

    >>> import numpy, soundfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("a", "b"):
    ...     soundfile.write(folder / f"{name}.wav", numpy.random.default_rng(ord(name)).normal(0, 0.1, 8000), 16_000)
    >>> _ = (folder / "who.csv").write_text("file,speaker\\na.wav,ann\\nb.wav,bob\\n")
    >>> [(item.speaker, item.duration) for item in open_corpus(folder, table=folder / "who.csv", where="speaker == 'bob'")]
    [('bob', 0.5)]
    """
    if table is None and where is None and isinstance(path, str | Path) and _is_stored(path):
        stored = open_stored(path, sample_rate, index)
        stored.sources = (AudioSource(str(path)),)
        return stored
    sources = read_sources(path, None if table is None else Path(table), where)
    gathered = gather_sources(sources, sample_rate)
    temporary = Path(tempfile.mkdtemp(prefix="audiossl-"))
    try:
        write_gathered(gathered, temporary / "corpus", progress=False)
        corpus = Corpus.open(temporary / "corpus")
        left_out = [_as_row(row) for row in read_jsonl(temporary / "corpus" / REJECTED)]
        items = [replace(item, declared=None) if _is_checked(gathered, item) else item for item in corpus.items]
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if rejected is not None:
        rejected += left_out
    elif left_out:
        say_left_out(left_out)
    opened = Corpus(items, sample_rate, None, Path())
    opened.sources = tuple(sources)
    return opened


def write_gathered(gathered: Recordings, out: Path, progress: bool = True, min_seconds: float = 0.1) -> CorpusSummary:
    """Write a corpus folder that points to recordings where they are; `rejected.jsonl` lists what is left out.

    Raises:
        DataError: if none is left.
    """
    return build_corpus(list(_items(gathered)), out, gathered.sample_rate, min_seconds, transcode=False, progress=progress)


def say_left_out(left_out: Sequence[Row], place: str = "") -> None:
    """Say how many recordings were left out, and why the first was."""
    from audiossl.console import console

    which = f"; all are in {place}" if place else ""
    said = f"{len(left_out)} left out, such as {left_out[0]['id']}: {left_out[0]['reason']}{which}"
    console.print(said, style="yellow", markup=False, soft_wrap=True)


def _items(gathered: Recordings) -> Iterator[Item | CorpusItem | Rejected]:
    for row in gathered.rejected:
        yield Rejected(row["id"], row["path"], "not_taken", row["reason"])
    for one in gathered.by_id.values():
        if one.item is None:
            yield Item(one.id, one.path, **item_fields(one.columns, one.id))
        else:
            yield replace(one.item, id=one.id, **item_fields(one.columns, one.item.recording))


def _is_checked(gathered: Recordings, item: CorpusItem) -> bool:
    """Whether a recording was decoded, so that its length is known and not declared."""
    return gathered.by_id[item.id].item is None


def _is_stored(path: str | Path) -> bool:
    """Whether it is a corpus already: one of ours, shards, or a lhotse manifest."""
    place = location(path)
    if is_hub_name(place):
        return False
    if is_remote(place):
        return True
    found = Path(place)
    other = is_hugging_face(found) or is_kaldi(found) or is_clip_table(found)
    return not other and (is_corpus(found) or (found.is_file() and ".json" in found.name))


def _as_row(row: dict[str, str]) -> Row:
    return {"id": row["id"], "path": row["path"], "reason": row["message"]}
