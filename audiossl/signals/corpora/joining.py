"""Join a table to recordings by id, path, file name or stem, and name what has no partner."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from audiossl.errors import DataError
from audiossl.files import path_text
from audiossl.signals.corpora.clip_tables import span_of
from audiossl.signals.corpora.finding import AUDIO_SUFFIXES, HEADERLESS
from audiossl.signals.corpora.recordings import Recording, Recordings, part_of_recording
from audiossl.signals.corpora.table_rows import PATH_COLUMNS, TIMES, TableRow, plain_cells, read_rows

KEY_COLUMNS = (
    "id", *PATH_COLUMNS, "name", "stem", "key", "clip", "clip_id", "utterance", "utterance_id", "recording", "recording_id"
)  # fmt: skip
LEAST_MATCHED = 0.5  # of the rows, for a column with another name to be the one that names recordings
_DRIVE = re.compile(r"^[A-Za-z]:")
Parts = tuple[str, ...]


@dataclass
class _Names:
    """Recordings by the ends of their paths and ids, with and without a suffix."""

    by_end: dict[Parts, set[str]] = field(default_factory=lambda: defaultdict(set))
    parts_of: dict[str, list[Parts]] = field(default_factory=dict)
    whole: dict[str, set[Parts]] = field(default_factory=dict)

    @classmethod
    def of(cls, recordings: Iterable[Recording]) -> _Names:
        names = cls()
        for one in recordings:
            written = {_parts(str(one.path)), _parts(str(one.path.absolute())), _parts(one.id)}
            names.parts_of[one.id] = list(written)
            # An id begins with the name of the folder that was given; within it a path is as it is without.
            names.whole[one.id] = {_without_suffix(parts) for parts in written | {_parts(one.id)[1:]}}
            for parts in written:
                for form in {parts, _without_suffix(parts)}:
                    for first in range(len(form)):
                        names.by_end[form[first:]].add(one.id)
        return names

    def find(self, parts: Parts) -> set[str]:
        """Recordings that a row may mean: those whose path or id ends so, also with another suffix."""
        return self.by_end.get(parts) or self.by_end.get(_without_suffix(parts)) or set()

    def nearest(self, found: set[str], parts: Parts) -> set[str]:
        """Those that are called exactly so, else those that share the longest end with what is written."""
        if len(found) < 2:
            return found
        if exact := {id_ for id_ in found if _without_suffix(parts) in self.whole[id_]}:
            return exact
        shared = {id_: max(_shared_end(parts, own) for own in self.parts_of[id_]) for id_ in found}
        return {id_ for id_ in found if shared[id_] == max(shared.values())}


def join_table(gathered: Recordings, table: Path) -> Recordings:
    """Give recordings the columns of the rows that name them; what is in one of the two alone is left out and listed.

    A row names a recording by its id, or by a path, of which the end counts (`sub/a.wav`, `a.wav`, `a`); where no path of the
    table is here, what all have in common in front is left away, as for paths of another machine. Rows with `start` and `end`
    make parts of the recording.

    Args:
        gathered: the recordings.
        table: CSV, TSV, JSON lines or Parquet.

    Raises:
        DataError: if the table cannot be read, no column names the recordings, a row means several of them, or two rows mean one
            and say different things.
    """
    rows = list(read_rows(table))
    if not rows:
        raise DataError(f"the table {table} has no rows")
    names = _Names.of(gathered.by_id.values())
    column, found = _match(rows, names, table, gathered)
    joined = Recordings(gathered.sample_rate, rejected=list(gathered.rejected))
    lengths: dict[Path, float] = {}
    used: dict[str, TableRow] = {}
    matched: set[str] = set()
    for row, ids in zip(rows, found, strict=True):
        written = str(row.cells.get(column) or "")
        if not ids:
            why = f"{row.place} of {table.name}: it names no recording that is there" if written else f"{row.place}: no {column}"
            joined.rejected.append({"id": written or row.place, "path": path_text(table), "reason": why})
            continue
        if len(ids) > 1:
            some = ", ".join(str(gathered.by_id[id_].path) for id_ in sorted(ids)[:3])
            raise DataError(
                f"{table}, {row.place}: '{written}' may mean {len(ids)} recordings, such as {some}. Write more of the path into "
                f"the column {column}"
            )
        one = gathered.by_id[next(iter(ids))]
        matched.add(one.id)
        try:
            part = _part(one, row, column, lengths, gathered.sample_rate)
        except (ValueError, DataError) as error:
            joined.rejected.append({"id": written, "path": path_text(table), "reason": f"{row.place} of {table.name}: {error}"})
            continue
        first = used.setdefault(part.id, row)
        if first is not row and plain_cells(first.cells) != plain_cells(row.cells):
            raise DataError(
                f"{table}: {first.place} and {row.place} both mean {one.path} and say different things. Keep one row for each "
                "recording; several values of one column stand in one cell, as in 'rain;wind'"
            )
        joined.by_id[part.id] = part
    for id_, one in gathered.by_id.items():
        if id_ not in matched:
            joined.rejected.append({"id": id_, "path": path_text(one.path), "reason": f"{table.name} has no row for it"})
    if not joined.by_id:
        raise DataError(f"no row of {table} could be used; the first: {joined.rejected[len(gathered.rejected)]['reason']}")
    joined.by_id = dict(sorted(joined.by_id.items()))
    return joined


def join_rows(rows: Sequence[TableRow], recordings: Iterable[Recording], table: Path) -> list[str | None]:
    """For each row the id of the recording that it names, None where it names none.

    Raises:
        DataError: as `join_table`.
    """
    gathered = Recordings(0, {one.id: one for one in recordings})
    column, found = _match(rows, _Names.of(gathered.by_id.values()), table, gathered)
    for row, ids in zip(rows, found, strict=True):
        if len(ids) > 1:
            some = ", ".join(sorted(ids)[:3])
            raise DataError(f"{table}, {row.place}: '{row.cells.get(column)}' may mean {len(ids)} recordings, such as {some}")
    return [next(iter(ids), None) for ids in found]


def _match(rows: Sequence[TableRow], names: _Names, table: Path, gathered: Recordings) -> tuple[str, list[set[str]]]:
    """The column that names the recordings, and those that each row may mean."""
    columns = list(dict.fromkeys(name for row in rows for name in row.cells))
    by_small = {name.lower(): name for name in reversed(columns)}
    known = [by_small[name] for name in KEY_COLUMNS if name in by_small]
    best: tuple[str, list[set[str]]] | None = None
    for column in known:
        found = _found(rows, column, names)
        if best is None or sum(map(bool, found)) > sum(map(bool, best[1])):
            best = column, found
    if best is None or not any(best[1]):
        for column in (name for name in columns if name not in known):
            found = _found(rows, column, names)
            apart = Counter(next(iter(ids)) for ids in found if len(ids) == 1)
            if len(apart) >= LEAST_MATCHED * len(rows) and (best is None or sum(map(bool, found)) > sum(map(bool, best[1]))):
                best = column, found
    if best is None or not any(best[1]):
        example = next(iter(gathered.by_id.values()), None)
        there = f"'{example.path}' ('{example.id}')" if example else "none"
        written = f", as '{rows[0].cells.get(known[0])}' in {known[0]}" if known else ""
        raise DataError(
            f"no row of {table} names a recording{written}; recordings are {there}; the columns of the table are "
            f"{', '.join(columns)}. Expected a column path or id with their paths, file names, names without suffix, or ids"
        )
    return best


def _found(rows: Sequence[TableRow], column: str, names: _Names) -> list[set[str]]:
    written = [_parts(str(row.cells.get(column) or "")) for row in rows]
    found = [names.nearest(names.find(parts), parts) if parts else set() for parts in written]
    if any(found):
        return found
    # Paths of another machine: what they have in common in front says where the data were there.
    folders = [parts[:-1] for parts in written if parts]
    common = 0
    while folders and all(len(parts) > common and parts[common] == folders[0][common] for parts in folders):
        common += 1
    return [names.nearest(names.find(parts[common:]), parts) if parts else set() for parts in written]


def _part(one: Recording, row: TableRow, column: str, lengths: dict[Path, float], sample_rate: int) -> Recording:
    start, end = span_of(row.cells)
    columns = plain_cells({name: cell for name, cell in row.cells.items() if name != column and name not in TIMES})
    own_id = columns.pop("id", None) if column != "id" else None
    columns = {**one.columns, **{name: cell for name, cell in columns.items() if name not in PATH_COLUMNS}}
    if start is None and end is None:
        return replace(one, columns=columns)
    id_ = str(own_id) if own_id else f"{one.id}@{start or 0.0:g}-{'' if end is None else f'{end:g}'}"
    return part_of_recording(one, id_, (start or 0.0, end), columns, lengths, sample_rate)


def _parts(written: str) -> Parts:
    text = unicodedata.normalize("NFC", written.strip())
    if "\\" in text and ("/" not in text or _DRIVE.match(text)):
        text = text.replace("\\", "/")
    return tuple(part for part in PurePosixPath(text).parts if part not in ("/", "."))


def _without_suffix(parts: Parts) -> Parts:
    """A path without a suffix of audio; a name such as `v1.2` keeps its dot."""
    if not parts:
        return parts
    stem, dot, suffix = parts[-1].rpartition(".")
    return (*parts[:-1], stem) if dot and stem and f".{suffix.lower()}" in AUDIO_SUFFIXES | HEADERLESS else parts


def _shared_end(one: Parts, other: Parts) -> int:
    count = 0
    for first, second in zip(reversed(_without_suffix(one)), reversed(_without_suffix(other)), strict=False):
        if first != second:
            break
        count += 1
    return count
