"""Recordings for models of sensors and of BOLD runs: tables, arrays, EDF files and folders of runs, cut at their gaps."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from audiossl.console import console
from audiossl.embedding.sources import ArraySource
from audiossl.embedding.takes import Takes
from audiossl.errors import ConfigError, DataError
from audiossl.files import path_text
from audiossl.signals.bold.own_folder import OwnFolder
from audiossl.signals.bold.own_tables import SUFFIXES as TABLES
from audiossl.signals.bold.own_tables import TableFolder
from audiossl.signals.bold.people_table import PeopleTable
from audiossl.signals.corpora.finding import AUDIO_SUFFIXES
from audiossl.signals.corpora.recordings import Recording, Recordings
from audiossl.signals.file_search import find_files
from audiossl.signals.path_names import ids_of
from audiossl.signals.sensors.columns import SUFFIXES as COLUMNS
from audiossl.signals.sensors.columns import read_columns
from audiossl.signals.sensors.measured_files import SUFFIXES as MEASURED
from audiossl.signals.sensors.own_files import FILE, SUFFIXES, OwnFiles, Reading
from audiossl.signals.sensors.recording import Rejected, SensorRecording
from audiossl.signals.sensors.units import conversion

TIMES = (
    "t",
    "time",
    "times",
    "timestamp",
    "timestamps",
    "datetime",
    "seconds",
    "time_s",
    "time_ms",
    "time_us",
    "time_ns",
    "t_ms",
)
ONLY_SENSORS = (".npy", ".npz", *MEASURED)  # no files of audio, nor tables of clips


class Keeper:
    """A temporary folder that goes with the object."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="audiossl-series-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


@dataclass(frozen=True)
class SeriesRecording(Recording):
    """An uninterrupted recording, whose values are kept in a file as long as it is needed.

    Attributes:
        values: file of (C, S), in the units and the order of the model.
        rate: Hz of the values.
        seconds: length.
        keeper: folder of these files, which goes with the last recording.
    """

    values: Path = field(default_factory=Path)
    rate: float = 0.0
    seconds: float = 0.0
    keeper: object = field(default=None, repr=False, compare=False)

    def open(self, takes: Takes) -> ArraySource:
        """The values as a signal at the rate of the model.

        Raises:
            DataError: if the model does not take them.
        """
        return ArraySource(takes.admit(np.load(self.values), self.rate, self.id))


def gather_series(name: str, takes: Takes, places: Sequence[str | Path]) -> Recordings:
    """Read the recordings at places for a model of sensors or BOLD runs.

    Tables have a column for each channel of the model, by its name, and a column of times, such as `t` or `time`; without one
    their samples are taken for those of the model's rate, as those of arrays without names are. What is the same in all rows of a
    stretch, such as who was recorded, is known of it.

    Args:
        name: of the model, for messages.
        takes: what it takes.
        places: files, folders and patterns.

    Raises:
        ConfigError: if there is nothing, or an audio file, at a place.
    """
    if not takes.channels:
        raise ConfigError(f"{name} takes {takes}, no files of audio, and names no channels: call its embed with arrays")
    for place in places:
        if Path(place).suffix.lower() in AUDIO_SUFFIXES:
            raise ConfigError(f"{place} is a file of audio; {name} takes {takes}")
    gathered = Recordings(max(1, round(takes.sample_rate)))
    keeper = Keeper()
    for one, path in _of_runs(takes, places) if is_of_brains(takes) else _of_sensors(takes, places):
        if isinstance(one, Rejected):
            gathered.rejected.append({"id": one.id, "path": path_text(path), "reason": one.reason})
            continue
        try:
            values = _in_units(one, takes)
        except DataError as error:
            gathered.rejected.append({"id": one.id, "path": path_text(path), "reason": str(error)})
            continue
        file = keeper.folder / f"{len(gathered.by_id)}.npy"
        np.save(file, values)
        columns = {key: value for key, value in one.custom.items() if value != ""}
        columns |= {"subject": one.subject} if is_of_brains(takes) else {}
        gathered.add([SeriesRecording(one.id, path, None, columns, file, one.rate, one.seconds, keeper)])
    gathered.by_id = dict(sorted(gathered.by_id.items()))
    return gathered


def refuse_series(name: str, takes: Takes, places: Iterable[object]) -> None:
    """Refuse recordings of sensors for a model of audio, by name.

    Raises:
        ConfigError: naming the file and what the model takes.
    """
    for place in places:
        if not isinstance(place, str | Path) or not Path(place).is_file():
            continue
        path = Path(place)
        found = path.name.lower().endswith(ONLY_SENSORS)
        if not found and path.name.lower().endswith(COLUMNS):
            try:
                columns = read_columns(path)
            except DataError:
                continue  # whoever reads it says what is wrong
            found = not any(column.lower() in ("path", "file", "filename", "audio", "id") for column in columns.names)
        if found:
            raise ConfigError(
                f"{path} holds series of numbers, no audio and no table of clips (a column path); {name} takes {takes}"
            )


def join_people(gathered: Recordings, table: Path) -> Recordings:
    """Keep the recordings of people who have a row in a table, with what it says of them.

    Raises:
        ConfigError: if no column says whose a row is, or nobody has one.
        DataError: if the table cannot be read, or it is not clear whose a row is.
    """
    people = PeopleTable.read(table)
    rows = people.match({str(one.columns["subject"]) for one in gathered.by_id.values()})
    if not rows:
        raise ConfigError(
            f"nobody of these recordings has a row in {table}; its column {people.key} begins with {next(iter(people.rows), '')}"
        )
    known = {id_: one for id_, one in gathered.by_id.items() if str(one.columns["subject"]) in rows}
    joined = {
        id_: replace(one, columns={**one.columns, **people.rows[rows[str(one.columns["subject"])]]}) for id_, one in known.items()
    }
    return replace(gathered, by_id=joined)


def is_of_brains(takes: Takes) -> bool:
    """Whether a model takes BOLD runs: it names regions, which have no units."""
    return bool(takes.channels) and not takes.units


def _of_sensors(takes: Takes, places: Sequence[str | Path]) -> Iterator[tuple[SensorRecording | Rejected, Path]]:
    files = find_files(places, SUFFIXES)
    by_time: dict[tuple[str, tuple[str, ...]], list[Path]] = {}
    for path in files:
        by_time.setdefault(_names_in(path, takes), []).append(path)
    for (time, channels), some in by_time.items():
        if not time and not some[0].name.lower().endswith(MEASURED):
            more = f" and {len(some) - 1} more" if len(some) > 1 else ""
            text = f"{some[0]}{more}: no column of times ({', '.join(TIMES[:4])}, ...); taken for {takes.sample_rate:g} Hz"
            console.print(f"{text}, as the model takes", markup=False, soft_wrap=True)
        reading = Reading(
            OwnFiles(tuple(some), channels, time, person=FILE, rate=takes.sample_rate), constants=True, among=tuple(files)
        )
        for one in reading:
            yield one, reading.path


def _names_in(path: Path, takes: Takes) -> tuple[str, tuple[str, ...]]:
    """The column of times in a file, and those of the model's channels: by name, or by place in arrays without names."""
    if path.name.lower().endswith(MEASURED):
        return "", takes.channels
    try:
        columns = read_columns(path)
    except DataError:
        return "", takes.channels  # rejected, with the reason, when it is read
    time = next((name for name in columns.names if name.lower() in TIMES), "")
    others = tuple(name for name in columns.names if name != time)
    unnamed = path.suffix.lower() in (".npy", ".npz") and not set(takes.channels) <= set(others)
    return time, others if unnamed and len(others) == len(takes.channels) else takes.channels


def _of_runs(takes: Takes, places: Sequence[str | Path]) -> Iterator[tuple[SensorRecording | Rejected, Path]]:
    seconds = 1 / takes.sample_rate
    folders = [Path(place) for place in places if Path(place).is_dir()]
    for root in folders:
        folder = OwnFolder(root, atlas=_atlas_of(root, takes))
        if folder.layout == "tables" and not _say_time(folder):
            console.print(
                f"{root}: no file says its repetition time; taken for {seconds:g} s, as the model takes",
                markup=False,
                soft_wrap=True,
            )
            folder = OwnFolder(root, folder.atlas, tr=seconds)
        files = folder.by_id()
        yield from ((one, files.get(one.id, root)) for one in folder.recordings())
    if files := [Path(place) for place in places if not Path(place).is_dir()]:
        found = find_files(files, TABLES)
        by_id = dict(zip(ids_of(found, TABLES), found, strict=True))
        yield from ((one, by_id[one.id]) for one in TableFolder(found[0].parent, found, seconds).recordings())


def _atlas_of(root: Path, takes: Takes) -> str:
    """The atlas of a folder of XCP-D whose regions the model takes; empty where there is one atlas, or it does not say."""
    from audiossl.signals.bold.own_folder import OF_XCPD, atlases_of
    from audiossl.signals.bold.tables import read_series

    first = {name: path for path in sorted(root.rglob(OF_XCPD), reverse=True) for name in atlases_of(path)}
    for name, path in first.items() if len(first) > 1 else ():
        if read_series(path, regions_first=False, header=True)[1] == takes.channels:
            return name
    return ""


def _say_time(folder: OwnFolder) -> bool:
    try:
        folder.check()
    except ConfigError:
        return False
    return True


def _in_units(one: SensorRecording, takes: Takes) -> np.ndarray:
    """Values in the units of the model; those that neither says are taken as they are.

    Raises:
        DataError: if regions are others, or a unit cannot be converted.
    """
    if is_of_brains(takes):
        if one.channels != takes.channels:
            raise DataError(f"{one.id}: its {len(one.channels)} regions are not the {len(takes.channels)} that the model takes")
        return one.values
    values = np.array(one.values, np.float32)
    for row, (unit, wanted) in enumerate(zip(one.units, takes.units, strict=True)):
        if "1" in (unit, wanted):
            continue
        found = conversion(unit, wanted)
        if found is None:
            raise DataError(f"{one.id}: {one.channels[row]} is in {unit}, the model takes {wanted}")
        values[row] = values[row] * found.factor + found.offset
    return values
