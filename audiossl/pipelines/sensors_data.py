"""Windows and sides of a sensor recipe, one division of subjects after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiossl.evaluation.window_task import WindowTask
from audiossl.pipelines.sensors_config import SensorsRecipe
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.recording_set import RecordingSet
from audiossl.signals.sensors.statistics import ChannelStatistics
from audiossl.signals.sensors.subjects import SubjectSides, held_out_sides, subject_folds
from audiossl.signals.sensors.windows import WindowSet, cut_windows


@dataclass(frozen=True)
class SensorFold:
    """One division of subjects: all windows, normalised by all but test subjects, and the task on the labelled ones.

    `first` is a recording that shows channels, units and rate; `statistics` are those of the normalisation, if it needs any.
    """

    first: SensorRecording
    statistics: ChannelStatistics | None
    sides: SubjectSides
    windows: WindowSet
    task: WindowTask


def divide(subjects: list[str], config: SensorsRecipe) -> list[SubjectSides]:
    """Sides of every fold; one fold where test subjects are named."""
    if config.subjects.test:
        return [held_out_sides(subjects, config.subjects.test, config.subjects.valid, config.seed)]
    folds = subject_folds(subjects, config.subjects.folds, config.subjects.valid, config.seed)
    return folds[: config.subjects.rounds or len(folds)]


def open_folds(folder: Path, config: SensorsRecipe) -> Iterator[SensorFold]:
    """Open a set of recordings and cut it into windows, fold by fold."""
    found = RecordingSet(folder)
    windows = cut_windows(found.recordings, config.windows, config.task.name, config.task.classes)
    for sides in divide(found.subjects, config):
        statistics = None
        if config.windows.normalise == "training":
            statistics = ChannelStatistics.fit(found.recordings, sides.known)
        cut = WindowSet(found.recordings, windows, config.windows.normalise, statistics)
        yield SensorFold(found.recordings[0], statistics, sides, cut, WindowTask(config.task.name, cut, sides))
