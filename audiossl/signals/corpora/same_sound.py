"""One sound under several ids: which groups of items share it, found from paths and ids, and by content where files are few."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from audiossl.signals.corpora.manifest import CorpusItem, Stretch
from audiossl.stamps import digest

# A copy with another speed, tempo or volume: lhotse puts _sp0.9 behind its id, Kaldi puts sp0.9- in front.
_COPY = re.compile(r"_(?:sp|tp|vp)\d+\.\d+(?![A-Za-z0-9])|(?:^|(?<=/))sp\d+\.\d+-")
MOST_COMPARED = 10_000  # files of a manifest whose content is compared
_log = logging.getLogger(__name__)
_HALF = 0.5  # two stretches of a file are the same sound if they share so much of the shorter one


class UnitedGroups:
    """Groups that are one as soon as they share a sound; of a united group the shortest and then first name counts."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def name(self, group: str) -> str:
        """Return the name of the group that a group belongs to."""
        way = []
        while (above := self._above.get(group)) is not None:
            way.append(group)
            group = above
        for passed in way[:-1]:
            self._above[passed] = group
        return group

    def unite(self, first: str, second: str) -> None:
        """Make two groups one."""
        kept, other = sorted((self.name(first), self.name(second)), key=lambda name: (len(name), name))
        if kept != other:
            self._above[other] = kept


class RealPaths:
    """Paths with links resolved; each folder is looked at once, so that millions of files cost little."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[str, frozenset[str]]] = {}

    def resolve(self, path: str | Path) -> str:
        """Return the path of the file itself; one that is not there, or is a URL, is returned as it is."""
        text = str(path)
        if "://" in text:
            return text
        folder, name = os.path.split(text)
        if folder not in self._folders:
            self._folders[folder] = _look_at(folder)
        real, links = self._folders[folder]
        return os.path.realpath(text) if name in links else f"{real}/{name}"


class HeardFiles:
    """Files of the items seen so far, to count the sounds that come under several ids."""

    def __init__(self) -> None:
        self._paths = RealPaths()
        self._recordings: dict[str, str] = {}

    def was_heard(self, item: CorpusItem) -> bool:
        """Tell whether an item is of a file that came under another recording id before; that of a perturbed copy is another."""
        if item.member is not None:
            base = base_id(item.recording)
            return self._recordings.setdefault(base, item.recording) != item.recording
        found = [self._recordings.setdefault(self._paths.resolve(part.path), item.recording) for part in item.stretches]
        return any(recording != item.recording for recording in found)


def base_id(id_: str) -> str:
    """Return an id without what lhotse and Kaldi put to the ids of perturbed copies.

    >>> base_id("r1_sp0.9"), base_id("r1_sp1.1_vp0.5-3"), base_id("sp0.9-r1"), base_id("meeting_sp1")
    ('r1', 'r1-3', 'r1', 'meeting_sp1')
    """
    return _COPY.sub("", id_)


def unite_same_sounds(items: Sequence[object], groups: Sequence[str], by_recording: bool, by_files: bool = True) -> UnitedGroups:
    """Unite the groups of items that hold one sound.

    One sound are: stretches of a file, by whatever links, that overlap by half of the shorter; any two stretches of a file where
    groups are recordings; a perturbed copy and its original, by the id; what `build_corpus` found to be copies; and files of a
    manifest with equal bytes, unless more than 10,000 are of like length.

    Args:
        items: items with `id` and `path`; of those in a corpus `stretches`, `recording` and `same_as` are used.
        groups: group of each item.
        by_recording: whether groups are whole recordings.
        by_files: whether files are compared, or ids alone.
    """
    united = UnitedGroups()
    _unite_copies(items, groups, by_recording, united)
    if not by_files:
        return united
    paths = RealPaths()
    first: dict[str, str] = {}  # group of the first item that a file is heard in
    contested: set[str] = set()  # files that are heard in several groups
    for item, group in zip(items, groups, strict=True):
        for stretch in _stretches(item):
            path = paths.resolve(stretch.path)
            if first.setdefault(path, group) != group:
                contested.add(path)
                if by_recording:
                    united.unite(first[path], group)
    if contested and not by_recording:
        _unite_overlaps(items, groups, contested, paths, united)
    _unite_equal_files(items, groups, paths, united)
    return united


def _unite_copies(items: Sequence[Any], groups: Sequence[str], by_recording: bool, united: UnitedGroups) -> None:
    """Unite by ids: of perturbed copies, and of what was found to hold the same samples."""
    ids = [str(getattr(item, "recording", item.id)) if by_recording else item.id for item in items]
    originals: dict[str, str | None] = {base: None for id_ in ids if (base := base_id(id_)) != id_}
    if originals:
        for id_, group in zip(ids, groups, strict=True):
            if (base := base_id(id_)) in originals:
                known = originals[base]
                originals[base] = group if known is None else known
                united.unite(known or group, group)
    copied = {original for item in items if (original := getattr(item, "same_as", None)) is not None}
    group_of = {item.id: group for item, group in zip(items, groups, strict=True) if item.id in copied}
    for item, group in zip(items, groups, strict=True):
        if (original := getattr(item, "same_as", None)) in group_of:
            united.unite(group_of[original], group)


def _unite_overlaps(
    items: Sequence[Any], groups: Sequence[str], contested: set[str], paths: RealPaths, united: UnitedGroups
) -> None:
    heard: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for item, group in zip(items, groups, strict=True):
        for stretch in _stretches(item):
            if (path := paths.resolve(stretch.path)) in contested:
                heard[path].append((stretch.start, stretch.end, group))
    for stretches in heard.values():
        open_: list[tuple[float, float, str]] = []
        for start, end, group in sorted(stretches):
            open_ = [other for other in open_ if other[1] > start]
            for other_start, other_end, other in open_:
                shared = min(end, other_end) - start
                if shared >= _HALF * min(end - start, other_end - other_start):
                    united.unite(other, group)
            open_.append((start, end, group))


def _unite_equal_files(items: Sequence[Any], groups: Sequence[str], paths: RealPaths, united: UnitedGroups) -> None:
    """Unite what a manifest names in files of equal content; where very many are of one length, they are not read for it."""
    alike: dict[tuple[int, float], dict[str, str]] = defaultdict(dict)
    for item, group in zip(items, groups, strict=True):
        if getattr(item, "declared", None) is not None and item.member is None:
            alike[item.num_samples, item.start].setdefault(paths.resolve(item.path), group)
    several = [files for files in alike.values() if len(files) > 1]
    if (count := sum(map(len, several))) > MOST_COMPARED:
        _log.info("%d files of like length are not compared with each other; build_corpus finds copies among them", count)
        return
    for files in several:
        for same in _equal(list(files)):
            for path in same[1:]:
                united.unite(files[same[0]], files[path])


def _equal(paths: list[str]) -> list[list[str]]:
    """Sets of files with equal bytes: compared by size, then by a piece in the middle, and only then by all of it."""
    sets = [paths]
    for of in (_size, _middle, lambda path: digest(Path(path))):
        split: dict[tuple[int, Any], list[str]] = defaultdict(list)
        for number, same in enumerate(sets):
            for path in same:
                with contextlib.suppress(OSError):  # reading the item will name a file that is not there
                    split[number, of(path)].append(path)
        sets = [same for same in split.values() if len(same) > 1]
    return sets


def _size(path: str) -> int:
    return Path(path).stat().st_size


def _middle(path: str) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(_size(path) // 2)
        return file.read(4096)


def _stretches(item: Any) -> Iterable[Stretch]:
    if getattr(item, "member", None) is not None:  # a part of a tar, which holds the sound of this item alone
        return ()
    found = getattr(item, "stretches", None)
    return (Stretch(item.path, 0.0, float("inf")),) if found is None else found


def _look_at(folder: str) -> tuple[str, frozenset[str]]:
    """The folder itself, and the names in it that are links."""
    try:
        with os.scandir(folder or ".") as entries:
            links = frozenset(entry.name for entry in entries if entry.is_symlink())
    except OSError:
        return folder, frozenset()
    return os.path.realpath(folder or "."), links
