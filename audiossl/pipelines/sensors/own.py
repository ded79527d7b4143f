"""Recordings of a sensor recipe from one's own files, and what is said of how they were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from audiossl.console import console
from audiossl.errors import ConfigError
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.signals.file_search import is_pattern
from audiossl.signals.sensors.clock import WORDS
from audiossl.signals.sensors.own_files import FILE, FOLDER, RECORDING, OwnFiles, Reading
from audiossl.signals.sensors.recording import Rejected, SensorRecording
from audiossl.stage import Names

NOTES = ("gaps", "restarts", "rows out of order", "copies of rows", "lone rows", "rows without a person", "files without labels")


@dataclass(frozen=True)
class OwnRecordings:
    """A `RecordingSource` of tables, arrays, EDF files and WFDB records; `limit` is a number of recordings for a smoke run."""

    own: OwnFiles
    limit: int | None = None

    @classmethod
    def of(cls, config: SensorsRecipe) -> OwnRecordings:
        """Find the files of a recipe's corpus.

        Raises:
            ConfigError: if there are none, or no column of labels is named: there would be nothing to score.
        """
        if not config.label:
            raise ConfigError(
                "label: say which column holds the classes that probes are to predict, such as label=activity. Windows of rows "
                "without a label are pre-trained on as well"
            )
        return cls(config.own_files, config.limit)

    @property
    def data(self) -> tuple[Path, ...]:
        """The files."""
        return self.own.files

    def recordings(self) -> Iterator[SensorRecording | Rejected]:
        """Read them, and then say what was found and done."""
        reading = Reading(self.own)
        people: set[str] = set()
        count = 0
        for recording in islice(reading, self.limit):
            if isinstance(recording, SensorRecording):
                people.add(recording.subject)
                count += 1
            yield recording
        for line in describe(reading, count, len(people)):
            console.print(line, markup=False, soft_wrap=True)

    def decides(self) -> list[object]:
        """What the columns are; files are known by their content."""
        values = {name: value for name, value in asdict(self.own).items() if name != "files"}
        return [*values.values(), self.limit]

    def names(self) -> Names:
        """Keys of the recipe."""
        return (*(name for name in asdict(self.own) if name != "files"), "limit")


def describe(reading: Reading, num_recordings: int, num_people: int) -> list[str]:
    """What was found and done, in lines to print."""
    own, account = reading.own, reading.account
    assert reading.words is not None
    lines = [f"{len(own.files)} files: {num_recordings} recordings at {reading.rate:g} Hz{_found(own, account)}"]
    if not own.channels:
        lines.append(f"channels: {', '.join(reading.words.channels)} (all that hold numbers; channels=... names them)")
    lines.append(_people(own, num_people))
    if done := [f"{account[name]} {name}" for name in NOTES if account[name]]:
        lines.append(f"in the tables: {', '.join(done)}. No window lies across a gap")
    return lines


def _found(own: OwnFiles, account: Counter[str]) -> str:
    units = [WORDS[unit] for unit in WORDS if account[f"time in {unit}"]]
    said = [f"column {own.time} is {' or '.join(units)}"] if units else []
    said += ["rate found in the files"] if not own.rate else []
    return f" ({', '.join(said)})" if said else ""


def _people(own: OwnFiles, count: int) -> str:
    if own.person in ("", FILE):
        return (
            f"{count} people: every file is taken for one person. Where one person has several files, say so: person=COLUMN, "
            f"person=folder, or a pattern of the path such as person='sub-([0-9]+)'"
        )
    if own.person == RECORDING:
        return f"{count} recordings, tested as if each was of another person: this says nothing of new people"
    how = (
        "their folders"
        if own.person == FOLDER
        else f"the pattern {own.person}"
        if is_pattern(own.person)
        else f"column {own.person}"
    )
    return f"{count} people, by {how}"
