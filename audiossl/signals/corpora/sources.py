"""Where recordings of one's own come from: a place, a table that says more about them, and a condition; or several of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiossl.errors import ConfigError, DataError
from audiossl.options import read_options
from audiossl.signals.corpora.finding import has_wildcards, in_front_of_wildcards
from audiossl.signals.corpora.hugging_face_data import is_hub_name
from audiossl.signals.corpora.item_fields import is_empty
from audiossl.signals.corpora.joining import join_table
from audiossl.signals.corpora.recordings import Recording, Recordings, gather
from audiossl.signals.corpora.table_rows import is_table
from audiossl.signals.fetching.storage import is_remote, location
from audiossl.where import parse_where
from audiossl.where_values import Plain


@dataclass(frozen=True)
class AudioSource:
    """Recordings, and what is known of them.

    Attributes:
        path: folder of recordings, file, table of clips, lhotse manifest or shards, Kaldi data folder, Hugging Face data set (a
            folder, Parquet, or `hf:OWNER/NAME`), or a pattern such as `calls/**/*.wav`.
        table: table whose rows are joined to the recordings; what has no row is left out.
        where: condition on the columns, such as `speaker != 'a' and duration < 20`.
        name: name of the source; by default that of its folder or file.
        domain: domain of all its recordings, such as speech or audio.
        repeats: how often a recording comes in an epoch.
    """

    path: str
    table: Path | None = None
    where: str | None = None
    name: str = ""
    domain: str | None = None
    repeats: float = 1.0

    def __post_init__(self) -> None:
        if not self.repeats > 0:
            raise ConfigError(f"corpus: {self.path}: expected repeats above 0, got {self.repeats:g}")
        if self.where is not None:
            parse_where(self.where)

    @property
    def called(self) -> str:
        """Its name: what was given, else the last part of its path that has no wildcard."""
        if self.name:
            return self.name
        place = location(self.path)
        if is_hub_name(place) or is_remote(place):
            return place.rstrip("/").rsplit("/", 1)[-1]
        fixed = _in_front_of_wildcards(place).absolute()
        return (fixed.name if fixed.is_dir() else fixed.name.split(".")[0]) or "corpus"

    @property
    def data(self) -> tuple[Path, ...]:
        """Folders and files on this disk that it reads."""
        place = location(self.path)
        if is_hub_name(place) or is_remote(place):
            return (self.table,) if self.table else ()
        return (_in_front_of_wildcards(place), *((self.table,) if self.table else ()))


def read_sources(where: Any, table: Path | None = None, condition: str | None = None) -> list[AudioSource]:
    """Read what a recipe or a caller says of its corpus.

    Args:
        where: a place; a mapping with the fields of `AudioSource`; or a list of these.
        table: table of all sources that have none of their own.
        condition: condition on all sources.

    Raises:
        ConfigError: for a key that is none, a path that does not exist, or two sources of one name.
    """
    listed = list(where) if isinstance(where, Sequence) and not isinstance(where, str) else [where]
    sources = []
    for number, one in enumerate(listed):
        place = f"corpus[{number}]" if len(listed) > 1 else "corpus"
        if isinstance(one, str | Path):
            one = AudioSource(str(one))
        source = one if isinstance(one, AudioSource) else read_options(AudioSource, one, place)
        both = [text for text in (source.where, condition) if text]
        together = " and ".join(f"({text})" for text in both) if len(both) > 1 else "".join(both) or None
        source = replace(source, table=source.table or table, where=together)
        sources.append(source)
        for path in source.data:
            if not path.exists():
                raise ConfigError(f"{place}: {path} does not exist. Correct the path; relative ones start in {Path.cwd()}")
    if not sources:
        raise ConfigError("corpus: expected a path, or a list of them, got an empty list")
    names = [source.called for source in sources]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"corpus: two sources are called '{twice}'. Give each a name: corpus=[{{path: ..., name: ...}}, ...]")
    return sources


def gather_sources(sources: Sequence[AudioSource], sample_rate: int = 16_000, limit: int | None = None) -> Recordings:
    """Gather the recordings of sources, joined to their tables, those that their conditions hold for.

    Where there are several sources, ids have the name of their source in front. Recordings of named sources have the columns
    `source` and, where it is given, `domain`.

    Args:
        sources: where from.
        sample_rate: sample rate at which items are read, in Hz.
        limit: most recordings of each source.

    Raises:
        ConfigError: if there is nothing at a path, or a condition names a column that there is not.
        DataError: if something cannot be read, a table cannot be joined, or a condition holds for no recording.
    """
    together = Recordings(sample_rate)
    several = len(sources) > 1
    for source in sources:
        gathered = gather([Path(source.path)], sample_rate)
        _check_files(source, gathered)
        if source.table is not None:
            gathered = join_table(gathered, source.table)
        about: dict[str, Plain] = {"source": source.called} if several or source.name else {}
        about |= {} if source.domain is None else {"domain": source.domain}
        named = (_named(one, f"{source.called}/" if several else "", about) for one in gathered.by_id.values())
        gathered = Recordings(sample_rate, {one.id: one for one in named}, gathered.rejected)
        if source.where is not None:
            gathered = filter_recordings(gathered, source.where, may_be_none=several)
        together.add(list(gathered.by_id.values())[:limit])
        together.rejected += gathered.rejected
    if not together.by_id and several:
        raise DataError(f"no recording is left of {', '.join(source.called for source in sources)}. Check their conditions")
    return together


def _check_files(source: AudioSource, gathered: Recordings) -> None:
    """Refuse a table of which no file is there; one of some missing files is named later."""
    table = Path(source.path)
    paths = [one.path for one in gathered.by_id.values() if one.item is None]
    are_all = 0 < len(paths) == len(gathered.by_id)  # parts of recordings were looked up already
    if are_all and is_table(table) and table.is_file() and not any(path.exists() for path in paths):
        raise DataError(
            f"none of the {len(paths)} files that {table} names is there, such as {paths[0]}. Where the recordings are in "
            f"another folder, give that as the corpus, and this as its table: corpus=FOLDER table={table}"
        )


def filter_recordings(gathered: Recordings, where: str, may_be_none: bool = False) -> Recordings:
    """Keep the recordings for which a condition on their columns holds; id, path and duration count as columns.

    Args:
        gathered: the recordings.
        where: the condition.
        may_be_none: whether it is no error that it holds for none.

    Raises:
        ConfigError: if no recording has a column, or values have no order.
        DataError: if it holds for none.
    """
    condition = parse_where(where)
    rows = {one.id: row_of(one, "duration" in condition.columns) for one in gathered.by_id.values()}
    condition.check(dict.fromkeys(name for row in rows.values() for name in row))
    kept = [one for one in gathered.by_id.values() if condition.keep([rows[one.id] | _nulls(condition.columns, rows[one.id])])]
    if not kept and gathered.by_id and not may_be_none:
        raise DataError(f'where="{where}" holds for none of {len(gathered.by_id)} recordings. {_values(condition.columns, rows)}')
    return Recordings(gathered.sample_rate, {one.id: one for one in kept}, gathered.rejected)


def row_of(one: Recording, with_duration: bool = False) -> dict[str, Plain]:
    """What conditions see of a recording; the duration of a whole file is looked up in its header."""
    row: dict[str, Plain] = {**one.columns, "id": one.id, "path": str(one.path)}
    if one.item is not None:
        row["duration"] = one.item.duration
    elif with_duration:
        from audiossl.signals.audio import probe
        from audiossl.signals.decoder import AudioError

        try:
            row["duration"] = probe(one.path).duration
        except AudioError:  # it is rejected by name when it is decoded
            row["duration"] = None
    return row


def _in_front_of_wildcards(place: str) -> Path:
    """The folder or file itself, of a pattern the folder in front of its first wildcard; a name with brackets may be there."""
    path = Path(place)
    return in_front_of_wildcards(path) if has_wildcards(path) and not path.exists() else path


def _nulls(columns: Iterable[str], row: dict[str, Plain]) -> dict[str, Plain]:
    return {name: None for name in columns if name not in row}


def _values(columns: Iterable[str], rows: dict[str, dict[str, Plain]]) -> str:
    said = []
    for name in columns:
        found = sorted({str(row.get(name)) for row in rows.values() if not is_empty(row.get(name))})
        said.append(f"{name} is one of {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}")
    return "; ".join(said)


def _named(one: Recording, prefix: str, about: dict[str, Plain]) -> Recording:
    prefix = "" if one.id.startswith(prefix) else prefix
    return replace(one, id=f"{prefix}{one.id}", columns={**one.columns, **about}) if prefix or about else one
