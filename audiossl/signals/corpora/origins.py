"""What the items of a store were made of: file, part and stamp. A recording that was replaced is not taken for the old one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from audiossl.errors import DataError
from audiossl.files import is_same_file, path_text
from audiossl.signals.corpora.manifest import CorpusItem
from audiossl.signals.corpora.recordings import Recording
from audiossl.signals.fetching.storage import is_remote
from audiossl.stamps import Stamp, stamp

State = Literal["same", "unknown", "changed", "elsewhere"]


@dataclass(frozen=True)
class Origin:
    """What an item was made of.

    Attributes:
        path: path of the file, absolute; "" where that was not said.
        stamp: stamp of the file, or of all files that a cut is made of; None where that is unknown: in stores of older versions,
            and for cuts of sound in memory.
        part: which part of the file, in words; "" for the whole file, or where that is unknown.
        version: how often the item has been made anew.
    """

    path: str = ""
    stamp: Stamp | None = None
    part: str = ""
    version: int = 0

    @classmethod
    def of(cls, recording: Recording) -> Origin:
        """Stamp a recording as it is now; a file that cannot be read has no stamp."""
        return cls(path_text(recording.path), _stamped(recording), part_of(recording.item))

    def state(self, recording: Recording, verify: bool = False, fresh: dict[Path, Stamp] | None = None) -> State:
        """Compare with the recording that has the name now.

        Args:
            recording: recording of the same id.
            verify: compare contents even where size and time are unchanged.
            fresh: stamps of files that were read for this comparison; many parts of one file are compared with one reading.

        Returns:
            `same`, also of a file that was moved; `unknown` where there is no stamp to go by; `changed` if the file holds
            something else or another part of it is meant; `elsewhere` for another file.
        """
        if self.path and not is_same_file(self.path, path_text(recording.path)):
            # A file that was moved, or its copy, is what it was.
            moved = self.stamp is not None and Origin.of(recording).is_of(self.stamp, self.part)
            return "same" if moved else "elsewhere"
        if self.stamp is None:
            return "unknown"
        if self.part != part_of(recording.item):
            return "changed"
        member = recording.item.member if recording.item else None
        if member is not None:
            known = self.stamp if not verify and self.stamp.modified == _modified(member.place) else None
            return "same" if known or _stamped(recording) == self.stamp._replace(modified=_modified(member.place)) else "changed"
        if recording.item is not None and recording.item.cut is not None:
            now = _stamp_of_cut(recording.item, None if verify else self.stamp)
            return "same" if now is not None and (now.size, now.digest) == (self.stamp.size, self.stamp.digest) else "changed"
        return "changed" if _has_changed(recording.path, self.stamp, verify, {} if fresh is None else fresh) else "same"

    def is_of(self, known: Stamp, part: str) -> bool:
        """Whether this is the same part of the same content."""
        return self.stamp is not None and (self.stamp.size, self.stamp.digest, self.part) == (known.size, known.digest, part)

    def to_row(self) -> dict[str, object]:
        """As plain values, in the columns of `COLUMNS`; a size of -1 says that there is no stamp."""
        found = self.stamp or Stamp(-1, 0, "")
        return {**found._asdict(), "part": self.part, "version": self.version}

    @classmethod
    def from_row(cls, path: str, row: Mapping[str, object]) -> Origin:
        """Read what `to_row` gave; columns that are missing are unknown."""
        known = cast(Mapping[str, Any], row)  # of an index
        size = known.get("size", -1)
        stamp = None if size < 0 else Stamp(size, known["modified"], known["digest"])
        return cls(path, stamp, known.get("part", ""), known.get("version", 0))

    def newer(self, old: Origin) -> Origin:
        """The origin of an item that takes the place of an older one."""
        return replace(self, version=old.version + 1)


COLUMNS = ("size", "modified", "digest", "part", "version")


def origin_columns(origins: Sequence[Origin]) -> dict[str, Any]:
    """Make the columns of a parquet index."""
    import pyarrow

    rows = [origin.to_row() for origin in origins]
    kinds = {"digest": pyarrow.string(), "part": pyarrow.string()}
    return {name: pyarrow.array([row[name] for row in rows], kinds.get(name, pyarrow.int64())) for name in COLUMNS}


def part_of(item: CorpusItem | None) -> str:
    """Say which part of its file an item is, so that another part is another text; "" for a whole file by itself.

    >>> part_of(None)
    ''
    """
    if item is None:
        return ""
    channels = "" if item.channels is None else f" channels {','.join(map(str, item.channels))}"
    made = "" if item.cut is None else f" cut {_cut_digest(item.cut)}"
    return f"{item.start:.6f} + {item.duration:.6f} s{channels}{made}"


def _cut_digest(cut: Any) -> str:
    """Hash of what lhotse would do: recordings, offsets, transforms."""
    text = json.dumps(_line_of(cut), sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _line_of(cut: Any) -> Any:
    """A cut as plain values, whether it is kept as a line of a manifest or as an object of lhotse."""
    return json.loads(cut) if isinstance(cut, str) else cut.to_dict()


def _files_in(node: Any) -> Iterator[Path]:
    """The files that a cut names, those of tracks, noises and impulse responses too."""
    if isinstance(node, list):
        for part in node:
            yield from _files_in(part)
    elif isinstance(node, Mapping):
        if "channels" in node and isinstance(node.get("source"), str) and node.get("type", "file") == "file":
            yield Path(node["source"])
        for part in node.values():
            yield from _files_in(part)


def _has_changed(path: Path, known: Stamp, verify: bool, fresh: dict[Path, Stamp]) -> bool:
    try:
        now = fresh.get(path) or stamp(path, None if verify else known)
    except OSError:
        return True
    if now is not known:
        fresh[path] = now
    return (now.size, now.digest) != (known.size, known.digest)


def _stamped(recording: Recording) -> Stamp | None:
    item = recording.item
    try:
        if item is not None and item.member is not None:
            data = item.member.read()
            digest = hashlib.blake2b(data, digest_size=16).hexdigest()
            return Stamp(len(data), _modified(item.member.place), digest)
        if item is not None and item.cut is not None:
            return _stamp_of_cut(item)
        return _stamp_once(recording.path)
    except (OSError, ValueError, DataError):
        return None


def _stamp_of_cut(item: CorpusItem, known: Stamp | None = None) -> Stamp | None:
    """One stamp of all files of a cut; None if it has none, or one cannot be read."""
    paths = sorted(set(_files_in(_line_of(item.cut))))
    try:
        about = [path.stat() for path in paths]
        size, modified = sum(one.st_size for one in about), max((one.st_mtime_ns for one in about), default=0)
        if known is not None and (size, modified) == known[:2]:
            return known
        digests = [_stamp_once(path).digest for path in paths]
    except OSError:
        return None
    return Stamp(size, modified, hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest()) if paths else None


_last: dict[Path, Stamp] = {}  # many cuts of one long recording follow each other


def _stamp_once(path: Path) -> Stamp:
    found = stamp(path, _last.get(path))
    _last.clear()
    _last[path] = found
    return found


def _modified(place: str) -> int:
    """Time of the last change of a tar; 0 of one that is not on this machine."""
    try:
        return 0 if is_remote(place) else Path(place).stat().st_mtime_ns
    except OSError:
        return -1


@dataclass(frozen=True)
class Checked:
    """The recordings of a call next to what a store holds, by id."""

    current: list[str]
    unknown: list[str]
    changed: list[str]
    elsewhere: list[str]
    new: list[str]


def compare(recordings: Iterable[Recording], held: Mapping[str, Origin], verify: bool = False) -> Checked:
    """Compare recordings with what a store holds under their ids."""
    by_state: dict[str, list[str]] = {"same": [], "unknown": [], "changed": [], "elsewhere": [], "new": []}
    fresh: dict[Path, Stamp] = {}
    for recording in recordings:
        known = held.get(recording.id)
        by_state["new" if known is None else known.state(recording, verify, fresh)].append(recording.id)
    return Checked(*by_state.values())
