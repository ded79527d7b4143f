"""Windows and sides of a sensor recipe, one division of subjects after the other."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import ConfigError, DataError
from audiossl.evaluation.windows.task import WindowTask
from audiossl.pipelines.sensors.config import SensorsRecipe, SubjectConfig
from audiossl.signals.sensors.cases import TEST_FOLD
from audiossl.signals.sensors.labels import LabelKind
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.recording_set import RecordingSet
from audiossl.signals.sensors.statistics import ChannelStatistics
from audiossl.signals.sensors.subjects import SubjectSides, given_folds, held_out_sides, sides_by_number, subject_folds
from audiossl.signals.sensors.windows import Normalisation, WindowConfig, WindowSet, cut_and_count
from audiossl.stage import Names


@dataclass(frozen=True)
class FoldsConfig:
    """What of a recipe decides windows, sides and labels, which all models share.

    Attributes:
        windows: cuts of recordings.
        subjects: who is held out.
        seeds: seeds of every model.
        seed: seed of folds and validation subjects.
        task: name of the annotations.
        classes: classes that count; empty takes all.
        kind: kind of the labels.
        limit: number of recordings that were asked for. It decides the recordings rather than this, and is there for messages.
    """

    windows: WindowConfig
    subjects: SubjectConfig
    seeds: list[int]
    seed: int
    task: str
    classes: list[str]
    kind: LabelKind = "auto"
    limit: int | None = None

    @classmethod
    def of(cls, recipe: SensorsRecipe) -> FoldsConfig:
        """Take them from a recipe."""
        task = recipe.task
        return cls(recipe.windows, recipe.subjects, recipe.seeds, recipe.seed, task.name, task.classes, task.kind, recipe.limit)

    def decides(self) -> list[object]:
        """All but the limit; what an earlier run did not say changes nothing of it."""
        kind = [self.kind] if self.kind != "auto" else []
        return [self.windows, self.subjects, self.seeds, self.seed, self.task, self.classes, *kind]

    def names(self) -> Names:
        """Names of these in a recipe."""
        kind = ["task.kind"] if self.kind != "auto" else []
        return ("windows", "subjects", "seeds", "seed", "task.name", "task.classes", *kind)


@dataclass(frozen=True)
class SensorFold:
    """One division of subjects: all windows, normalised by all but test subjects, and the task on the labelled ones.

    `number` is its place among the divisions, `first` a recording that shows channels, units and rate; `statistics` are those of
    the normalisation, if it needs any, and `normalise` is its name.
    """

    number: int
    first: SensorRecording
    statistics: ChannelStatistics | None
    sides: SubjectSides
    windows: WindowSet
    task: WindowTask
    normalise: Normalisation


def divide(
    subjects: list[str],
    config: FoldsConfig,
    labels: Mapping[str, Set[object]] | None = None,
    tested: Mapping[str, Set[str]] | None = None,
) -> list[SubjectSides]:
    """Sides of every fold; one fold where test subjects are named.

    Args:
        subjects: subjects of the set.
        config: says how.
        labels: labels that each subject has, for divisions that are chosen here.
        tested: subjects of each fold that the recordings themselves say; they count where the recipe says nothing of sides.
    """
    if not config.subjects.test and not config.subjects.folds:
        if tested:
            return given_folds(subjects, tested, labels or {}, config.seed)
        return sides_by_number(subjects, labels or {}, config.seed)
    if config.subjects.test:
        return [held_out_sides(subjects, config.subjects.test, config.subjects.valid, config.seed)]
    folds = subject_folds(subjects, config.subjects.folds, config.subjects.valid, config.seed)
    return folds[: config.subjects.rounds or len(folds)]


def rejections(found: RecordingSet) -> str:
    """How many recordings were rejected, and why the first was; nothing if none was."""
    rejected = found.rejected
    if not rejected:
        return ""
    count = "1 recording was" if len(rejected) == 1 else f"{len(rejected)} recordings were"
    return f"{count} rejected (first: {rejected[0].id}: {rejected[0].reason})"


def _labels_of(recordings: RecordingSet, task: str) -> dict[str, set[object]]:
    """The labels that each subject has."""
    found: dict[str, set[object]] = {}
    for row in recordings.rows:
        known = {value for _, _, value in row["annotations"].get(task, ()) if value is not None}
        found.setdefault(row["subject"], set()).update(known)
    return found


def _tested_in(recordings: RecordingSet) -> dict[str, set[str]]:
    """Subjects of each fold that recordings say they are tested in."""
    found: dict[str, set[str]] = {}
    for row in recordings.rows:
        if (fold := row["custom"].get(TEST_FOLD)) is not None:
            found.setdefault(str(fold), set()).add(row["subject"])
    return found


class SensorFolds:
    """The divisions of the subjects of a set of recordings; `labels` counts what windows make of the labels.

    Windows take most of a run's memory. They are the same in all folds, and made once, unless they are normalised by training
    subjects; then `open` makes them anew, and whoever opens a fold lets the one before go first.

    Attributes:
        sides: who is where in each division.
        places: places of all windows, with their labels.

    Raises:
        ConfigError or DataError: if subjects cannot be divided as asked; the message says which recordings there might have been.
    """

    def __init__(self, folder: Path, config: FoldsConfig) -> None:
        self.config, self.recordings = config, RecordingSet(folder)
        try:
            self.sides = divide(
                self.recordings.subjects, config, _labels_of(self.recordings, config.task), _tested_in(self.recordings)
            )
        except (ConfigError, DataError) as error:
            causes = [
                rejections(self.recordings),
                f"limit={config.limit} left recordings out" if config.limit is not None else "",
            ]
            raise type(error)(". ".join([str(error), *filter(None, causes)])) from error
        self.places, self.labels = cut_and_count(self.recordings, config.windows, config.task, config.classes, config.kind)
        self._same: WindowSet | None = None

    def __len__(self) -> int:
        return len(self.sides)

    def open(self, number: int) -> SensorFold:
        """Cut the windows of a fold."""
        sides, statistics, normalise = self.sides[number], None, self.config.windows.normalise
        if normalise == "training":
            statistics = ChannelStatistics.fit(self.recordings, sides.known)
            windows = WindowSet(self.recordings, self.places, normalise, statistics)
        else:
            windows = self._same = self._same or WindowSet(self.recordings, self.places, normalise)
        task = WindowTask(self.config.task, windows, sides, self.config.kind)
        return SensorFold(number, self.recordings[0], statistics, sides, windows, task, normalise)
