"""Recordings from one's own files: tables, arrays, EDF and WFDB, as a few words say what is in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.options import nearest
from audiossl.signals.file_search import is_pattern
from audiossl.signals.path_names import ids_of, inner_paths, match_path
from audiossl.signals.sensors.clock import TimeUnit
from audiossl.signals.sensors.columns import SUFFIXES as TABLES
from audiossl.signals.sensors.columns import read_columns
from audiossl.signals.sensors.measured_files import SUFFIXES as MEASURED
from audiossl.signals.sensors.measured_files import measured_rate, names_of, read_measured
from audiossl.signals.sensors.own_tables import Piece, TableWords, pieces_of, rate_of
from audiossl.signals.sensors.recording import Rejected, SensorRecording
from audiossl.signals.sensors.units import plain_unit

SUFFIXES = (*TABLES, *MEASURED)
FILE, FOLDER, RECORDING = "file", "folder", "recording"  # what `person` may be but a column or a pattern
PLACES = ("", FILE, FOLDER, RECORDING)
SAME_RATE = 0.02  # share by which the rates of files may differ and be one
TEXT_DIGITS = 4  # of a rate that is found


@dataclass(frozen=True)
class OwnFiles:
    """What the columns of somebody's files are.

    Attributes:
        files: tables, arrays, EDF files and WFDB headers.
        channels: names of columns or signals; by default all that hold numbers and are nothing else.
        time: column of times; none where samples follow each other at `rate`.
        label: column of classes; of EDF+ files the annotations have this name.
        person: column, or a pattern whose first group finds it in the path, such as `sub-([0-9]+)`; `file`, `folder`, or
            `recording` where nobody knows: then every recording is one by itself. By default every file is of one person, unless
            files of one name lie in several folders: then it is asked for.
        rate: Hz of all recordings; 0 for that of the files, which must then be the same.
        time_unit: of the times; `auto` finds it or asks.
        units: one for all channels, or one for each; by default those that the files say.
        max_gap: seconds between samples that are bridged; 0 for 3.5 steps.
    """

    files: tuple[Path, ...]
    channels: tuple[str, ...] = ()
    time: str = ""
    label: str = ""
    person: str = ""
    rate: float = 0.0
    time_unit: TimeUnit = "auto"
    units: tuple[str, ...] = ()
    max_gap: float = 0.0

    def __post_init__(self) -> None:
        if self.rate < 0 or self.max_gap < 0:
            raise ConfigError(f"rate and max_gap should be at least 0, got {self.rate:g} and {self.max_gap:g}")
        taken = [name for name in (self.time, self.label) if name and name in self.channels]
        if taken or len(set(self.channels)) < len(self.channels):
            raise ConfigError(f"channels: expected each column once, and neither time nor label, got {', '.join(self.channels)}")
        if len(self.units) > 1 and len(self.units) != len(self.channels):
            raise ConfigError(f"units: expected one, or one for each of {len(self.channels)} channels, got {len(self.units)}")


@dataclass
class Reading:
    """An iteration over the recordings of files, and what is to be said of it.

    Attributes:
        own: what is read.
        account: of gaps, copies and the like, by name.
        words: columns, with those that were found.
        rate: Hz of the recordings.
        constants: keep what is the same in all rows of a stretch, in columns that are not read otherwise.
        among: files that ids are to be told apart from; by default those that are read.
        path: of the file that is being read.
    """

    own: OwnFiles
    account: Counter[str] = field(default_factory=Counter)
    words: TableWords | None = None
    rate: float = 0.0
    constants: bool = False
    among: tuple[Path, ...] = ()
    path: Path = field(default_factory=Path)
    _units: tuple[Path, tuple[str, ...]] | None = None

    def __iter__(self) -> Iterator[SensorRecording | Rejected]:
        """Read recording after recording.

        Raises:
            ConfigError: if columns do not exist in any file, or their meaning is not plain; the message says what to declare.
        """
        own = self.own
        self.words, self.rate = settle(own)
        among = self.among or own.files
        wanted = set(own.files)
        for path, id_, inner in zip(among, ids_of(among, SUFFIXES), inner_paths(among), strict=True):
            if path not in wanted:
                continue
            self.path = path
            try:
                whose = "" if self.words.person else person_of_path(own.person, inner, id_)
                pieces = list(self._pieces(path))
            except DataError as error:
                yield Rejected(id_, str(error))
                continue
            yield from self._recordings(pieces, path, id_, whose)

    def _pieces(self, path: Path) -> Iterator[Piece | Rejected]:
        assert self.words is not None
        if path.name.lower().endswith(MEASURED):
            yield read_measured(path, self.words.channels, self.own.label, self.rate)
        else:
            yield from pieces_of(path, self.words, self.rate, self.account, self.constants)

    def _recordings(
        self, pieces: Sequence[Piece | Rejected], path: Path, id_: str, whose: str
    ) -> Iterator[SensorRecording | Rejected]:
        assert self.words is not None
        own, several = self.own, len(pieces) > 1
        for number, piece in enumerate(pieces, 1):
            name = f"{id_}_{number}" if several else id_
            if isinstance(piece, Rejected):
                yield Rejected(name, piece.reason)
                continue
            if not own.units and not self.constants:  # whoever keeps these converts units
                self._check_units(piece, path)
            units = own.units * len(piece.units) if len(own.units) == 1 else own.units or piece.units
            person = name if own.person == RECORDING else whose or piece.person
            try:
                yield SensorRecording(
                    name, person, self.rate, self.words.channels, units, piece.values,
                    {own.label: piece.annotations} if own.label else {}, {"file": path.name, **piece.about},
                )  # fmt: skip
            except DataError as error:
                yield Rejected(name, f"{path}: {error}")

    def _check_units(self, piece: Piece, path: Path) -> None:
        first, units = self._units or (path, piece.units)
        self._units = (first, units)
        if tuple(map(plain_unit, units)) != tuple(map(plain_unit, piece.units)):
            said = [", ".join(found) if set(found) != {"1"} else "none" for found in (units, piece.units)]
            raise ConfigError(
                f"units: {first} says {said[0]}, {path} says {said[1]}. Where all are the same say so, units=g or "
                f"units=g,g,rad/s; else bring the files to one"
            )


def settle(own: OwnFiles) -> tuple[TableWords, float]:
    """Find what was not said: channels, whether the person is a column, the rate.

    Raises:
        ConfigError: if a column is in no file, or files have several rates and none is asked for.
    """
    words = words_of(own)
    return words, own.rate or _common_rate(own, words)


def words_of(own: OwnFiles) -> TableWords:
    """Find what the columns are.

    Raises:
        ConfigError: if one that is named is in no file; the message lists those of the first file.
    """
    first, names, numeric, faults = _first_names(own)
    for what, name in (("time", own.time), ("label", own.label), *(("channels", channel) for channel in own.channels)):
        said_by_file = what == "label" and first.name.lower().endswith(MEASURED)  # which has annotations
        if name and name not in names and not said_by_file and not _is_in_any(own.files, name):
            raise ConfigError(f"{what}: no file has a column '{name}'{nearest(name, names)}; {first} has {', '.join(names)}")
    if not own.person:
        _ask_whose(own.files)
    person = "" if own.person in PLACES or is_pattern(own.person) else own.person
    if person and person not in names and not _is_in_any(own.files, person):
        raise ConfigError(
            f"person: no file has a column '{person}'{nearest(person, names)}. Say a column of {', '.join(names)}; a pattern of "
            f"the path with a group, such as 'sub-([0-9]+)'; file, folder or recording"
        )
    channels = own.channels or tuple(name for name in numeric if name not in (own.time, own.label, person))
    if not channels:
        raise ConfigError(f"channels: {first} has no column of numbers but {', '.join(names)}. {faults}".rstrip(". "))
    return TableWords(channels, own.time, own.label, person, own.time_unit, own.max_gap)


def _ask_whose(files: Sequence[Path]) -> None:
    """Refuse to guess whose files are where several folders have files of the same names.

    Raises:
        ConfigError: that names folders.
    """
    names = Counter(path.name for path in files)
    folders = sorted({path.parent.name for path in files if names[path.name] > 1})
    if folders and len(files) > len(folders):
        raise ConfigError(
            f"person: files of the same names lie in {', '.join(folders[:4])}{', ...' * (len(folders) > 4)}. Say person=folder "
            f"if each folder is of one person, person=file if each file is, a column, or a pattern of the path such as "
            f"'sub-([0-9]+)'"
        )


def triples(channels: Sequence[str]) -> list[int]:
    """First channels of axes in space: three neighbours whose names end with x, y and z.

    >>> triples(["acc_x", "acc_y", "acc_z", "gyro X", "gyro Y", "gyro Z", "ecg"])
    [0, 3]
    """
    ends = "".join(name[-1:].lower() if name[-1:].lower() in "xyz" and name else "-" for name in channels)
    return [place for place in range(len(ends)) if ends[place : place + 3] == "xyz"]


def person_of_path(person: str, inner: Path, id_: str) -> str:
    """Who a file is of, as its place says.

    Raises:
        DataError: if a pattern finds nothing, or there is no folder.
    """
    if person in ("", FILE, RECORDING):
        return id_
    if person == FOLDER:
        if inner.parent == Path():
            raise DataError(f"{inner}: person=folder, but all files are in one folder")
        return "_".join(inner.parent.parts)
    return match_path(person, inner)


def _first_names(own: OwnFiles) -> tuple[Path, list[str], list[str], str]:
    """The first file that can be read, its columns, those that hold numbers, and why files before could not be read."""
    faults: list[str] = []
    for path in own.files:
        try:
            if path.name.lower().endswith(MEASURED):
                names = list(names_of(path))
                return path, names, names, ""
            columns = read_columns(path)
            numeric = [name for name in columns.names if columns.is_numeric(name)]
            return path, list(columns.names), numeric, "; ".join(faults[:1])
        except DataError as error:
            faults.append(str(error))
    raise ConfigError(f"none of {len(own.files)} files can be read; the first: {faults[0]}")


def _is_in_any(files: Sequence[Path], name: str) -> bool:
    for path in files:
        try:
            known = names_of(path) if path.name.lower().endswith(MEASURED) else read_columns(path).names
        except DataError:
            continue
        if name in known:
            return True
    return False


def _common_rate(own: OwnFiles, words: TableWords) -> float:
    """The rate of all files, rounded to four digits.

    Raises:
        ConfigError: if tables have no times, or files have several rates.
    """
    found: dict[Path, float] = {}
    for path in own.files:
        try:
            if path.name.lower().endswith(MEASURED):
                found[path] = measured_rate(path, words.channels)
            elif words.time:
                found[path] = rate_of(path, words)
            else:
                raise ConfigError(f"rate: {path} has no times (time=COLUMN), so say how many samples a second has: rate=HZ")
        except DataError:
            continue  # read again, it is rejected with the reason
    if not found:
        return 1.0  # every file is rejected, with the reason
    low, high = min(found.values()), max(found.values())
    if high > (1 + SAME_RATE) * low:
        by_rate = Counter(float(f"{rate:.2g}") for rate in found.values())
        listed = ", ".join(f"{rate:g} Hz ({count} file{'s' * (count > 1)})" for rate, count in sorted(by_rate.items()))
        raise ConfigError(f"rate: files have several, {listed}. Say which all are to have, such as rate={low:.3g}")
    rates = sorted(found.values())
    return float(f"{rates[len(rates) // 2]:.{TEXT_DIGITS}g}")
