"""Recordings of a sensor recipe from a set of an archive, UCR, UEA or MONSTER, where every case is scored whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiossl.console import console
from audiossl.errors import ConfigError, DataError
from audiossl.pipelines.recording_source import RecordingSource
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.sensors.own import OwnRecordings
from audiossl.signals.sensors.cases import TEST_FOLD, Case, CaseSet, SameCases
from audiossl.signals.sensors.recording import Annotation, Rejected, SensorRecording
from audiossl.signals.sensors.turns import in_turn
from audiossl.stage import Names

MOST = 1_000_000  # cases of a set: each becomes a file


@dataclass(frozen=True)
class CaseRecordings:
    """A `RecordingSource` of cases: each is a recording, of its subject or, where nobody says who that is, of one of its own.

    Attributes:
        cases: the set.
        task: name of the labels.
        rate: Hz that the recipe declares.
        channels, units: names and units, in the order of the set.
        person: key by which the set says who was recorded.
        limit: number of cases for a smoke run, of all classes and folds in turn.
    """

    cases: CaseSet
    task: str
    rate: float
    channels: tuple[str, ...]
    units: tuple[str, ...]
    person: str = ""
    limit: int | None = None

    @classmethod
    def of(cls, config: SensorsRecipe, cases: CaseSet) -> CaseRecordings:
        """Take them from a recipe, which has checked that its keys suit the set."""
        channels = tuple(config.channels) or tuple(f"c{number}" for number in range(cases.num_channels))
        units = tuple(config.units) or ("1",)
        units = units * len(channels) if len(units) == 1 else units
        return cls(cases, config.task.name, config.rate, channels, units, config.person, config.limit)

    @property
    def data(self) -> tuple[Path, ...]:
        """The files of the set."""
        return self.cases.files

    def recordings(self) -> Iterator[SensorRecording | Rejected]:
        """Read the cases, and then say what was found.

        Raises:
            ConfigError: if there are more than a folder should have files, and no limit.
        """
        marks, chosen = self.cases.marks(), None
        if self.limit is not None:
            chosen = frozenset(in_turn(range(len(marks)), lambda place: marks[place])[: self.limit])
        elif len(marks) > MOST:
            raise ConfigError(
                f"limit: {self.cases.name} has {len(marks):,} cases, each of which becomes a file: say limit={MOST}"
            )
        same, count = SameCases(), 0
        for case in self.cases.cases(chosen):
            made = case if isinstance(case, Rejected) else self._recording(case, same)
            count += isinstance(made, SensorRecording)
            yield made
        size = f"{len(self.channels)} channel{'s' * (len(self.channels) > 1)} and up to {self.cases.longest} samples"
        said = [f"{self.cases.name}, {self.cases.archive}: {count} cases of {size}, {self.rate:g} Hz", *self.cases.notes]
        for line in said:
            console.print(line, markup=False, soft_wrap=True)

    def _recording(self, case: Case, same: SameCases) -> SensorRecording | Rejected:
        if (twin := same.find(case)) is not None:
            return Rejected(case.id, f"it has the very samples of {twin}: it would be in training and in the test")
        seconds = case.values.shape[1] / self.rate
        try:
            return SensorRecording(
                case.id, case.subject or case.id, self.rate, self.channels, self.units, case.values,
                {self.task: (Annotation(0.0, seconds, case.label),)}, {TEST_FOLD: case.fold} if case.fold else {},
            )  # fmt: skip
        except DataError as error:
            return Rejected(case.id, str(error))

    def decides(self) -> list[object]:
        """What cases are called and which are taken; files are known by their content."""
        return [self.cases.name, self.task, self.rate, [*self.channels], [*self.units], self.person, self.limit]

    def names(self) -> Names:
        """Keys of the recipe."""
        return ("corpus", "label", "rate", "channels", "units", "person", "limit")


def own_source(config: SensorsRecipe) -> RecordingSource:
    """The recordings of a recipe's corpus: a set of an archive, or files of one's own.

    Raises:
        ConfigError: as the reader of the corpus.
    """
    cases = config.case_set
    return OwnRecordings.of(config) if cases is None else CaseRecordings.of(config, cases)
