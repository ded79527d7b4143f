"""Which recordings a quantiser was fitted to: known by content or by where they come from, whatever they are called now."""

from __future__ import annotations

import math
import os
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from audiossl.errors import StoreError
from audiossl.files import path_text, read_jsonl
from audiossl.signals.corpora.origins import Origin
from audiossl.signals.corpora.recordings import Recording


def fitted_row(recording: Recording) -> dict[str, object]:
    """Describe a recording that was fitted to: id, file with its stamp, and the span that was used, in seconds."""
    origin = Origin.of(recording)
    mixed = recording.item is not None and recording.item.cut is not None  # of several files, or of none: known by its id
    if mixed:
        origin = replace(origin, path="", stamp=None)
    return {"id": recording.id, "path": origin.path, **origin.to_row(), **_span(recording)}


def read_fitted(path: Path) -> list[dict[str, Any]]:  # Any: values of JSON lines
    """Read the rows that `fitted_row` made; none of a tokeniser of an older version, which knows ids alone.

    Raises:
        StoreError: if the file is damaged.
    """
    try:
        rows = read_jsonl(path)
        for row in rows:
            Origin.from_row(row["path"], row)
            _overlap(row, row)
        return rows
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} does not say which recordings were fitted to ({error!r}): fit again") from error


def seen_among(recordings: Iterable[Recording], ids: Sequence[str], rows: Sequence[Mapping[str, object]]) -> set[str]:
    """Ids of the recordings that were fitted to.

    One is known by its content: a file with the same bytes, of which the spans overlap. Where nothing is known of the content, it
    is known by its place, or by an id that the other one ends with, as `recordings/spk00/a.wav` ends with `spk00/a.wav`.

    Args:
        recordings: recordings to look among.
        ids: ids of the recordings that were fitted to.
        rows: the same with their files, as `fitted_row` describes them; none if only ids are known.
    """
    by_content: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    by_place: dict[str, list[Mapping[str, Any]]] = {}
    fitted = cast(Sequence[Mapping[str, Any]], rows)  # of JSON lines
    for row in fitted:
        if row["size"] >= 0:
            by_content.setdefault((row["size"], row["digest"]), []).append(row)
        elif row["path"]:
            by_place.setdefault(os.path.realpath(row["path"]), []).append(row)
    known = {row["id"] for row in fitted if row["size"] >= 0 or row["path"]}
    names = Names(id_ for id_ in ids if id_ not in known)
    sizes = {size for size, _ in by_content}
    seen: set[str] = set()
    for recording in recordings:
        same = by_content.get(_content(recording, sizes), []) + by_place.get(os.path.realpath(recording.path), [])
        if (
            any(_overlap(_span(recording), row) for row in same)
            or names.know(recording.id)
            or (recording.item is None and names.know_path(path_text(recording.path)))
        ):
            seen.add(recording.id)
    return seen


def same_files(recordings: Sequence[Recording], others: Sequence[Recording]) -> set[str]:
    """Ids of the recordings whose file has the bytes of another's, where their spans overlap; only files of one size are read."""
    sizes = [_size(one) for one in others]
    mine = {_size(one) for one in recordings}
    rows = [fitted_row(one) for one, size in zip(others, sizes, strict=True) if size in mine]
    return seen_among([one for one in recordings if _size(one) in set(sizes)], [], rows)


class Names:
    """Ids that depend on the folder or source as it was named: of two for one recording, the longer ends with the shorter.

    >>> names = Names(["librispeech/c", "spk00/a.wav"])
    >>> names.know("c"), names.know("recordings/spk00/a.wav"), names.know("spk01/a.wav")
    (True, True, False)
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.whole = set(ids)
        self.tails = {tail for id_ in self.whole for tail in _tails(id_)}

    def know(self, name: str) -> bool:
        """Whether an id is one of these, ends with one, or one of these ends with it."""
        return name in self.tails or not self.whole.isdisjoint(_tails(name))

    def know_path(self, path: str) -> bool:
        """Whether a path ends with one of these; the name of a file alone says nothing."""
        return not self.whole.isdisjoint(tail for tail in _tails(path) if "/" in tail)


def _tails(name: str) -> list[str]:
    """A name, and what is left of it without its first folders.

    >>> _tails("a/b/c.wav")
    ['a/b/c.wav', 'b/c.wav', 'c.wav']
    """
    parts = name.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _content(recording: Recording, sizes: Container[int]) -> tuple[int, str]:
    """Size and digest; a file is read only if one of its size was fitted to."""
    found = Origin.of(recording).stamp if _size(recording) in sizes else None
    return (-1, "") if found is None else (found.size, found.digest)


def _size(recording: Recording) -> int:
    """Bytes of the file, or of its part of a tar; -2 of what is no single file, or cannot be read."""
    item = recording.item
    if item is not None and item.member is not None:
        return item.member.size
    try:
        return -2 if item is not None and item.cut is not None else recording.path.stat().st_size
    except OSError:
        return -2


def _span(recording: Recording) -> dict[str, float | None]:
    """Which seconds of the file are meant; an end of None is that of the file."""
    item = recording.item
    if item is None or item.member is not None or item.cut is not None:
        return {"start": 0.0, "end": None}
    return {"start": item.start, "end": item.start + item.duration}


def _overlap(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    ends = [math.inf if row["end"] is None else row["end"] for row in (first, second)]
    return first["start"] < ends[1] - 1e-6 and second["start"] < ends[0] - 1e-6
