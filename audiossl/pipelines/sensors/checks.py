"""Labels of a sensor recipe, checked for every division of the subjects before anything is trained."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import DataError
from audiossl.options import nearest
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.signals.sensors.subjects import SubjectSides


def check_labels(folds: SensorFolds) -> None:
    """Refuse labels that leave a side without any, or nothing to tell apart in training.

    Raises:
        DataError: naming the task and the side.
    """
    config, recordings = folds.config, folds.recordings
    task = config.task
    subjects = [recording.subject for recording in recordings]
    labels: dict[str, set[str | float]] = {subject: set() for subject in subjects}
    for window in folds.places:
        if window.value is not None:
            labels[subjects[window.recording]].add(window.value)
    if not any(labels.values()):
        names = sorted({name for recording in recordings for name in recording.annotations})
        if task not in names:
            raise DataError(
                f"no recording has annotations '{task}'{nearest(task, names)}; they have {', '.join(names) or 'none'}"
            )
        raise DataError(
            f"task '{task}': no window of {config.windows.seconds:g} s lies within one annotation. Shorten windows.seconds"
        )
    everywhere = set().union(*labels.values())
    if len(everywhere) == 1:
        raise DataError(f"task '{task}': every label is {next(iter(everywhere))!r}: there is nothing to tell apart")
    for number, sides in enumerate(folds.sides):
        _check_sides(task, number, sides, labels, config)


def check_prepared(config: SensorsRecipe, output: Path) -> None:
    """Check the recordings that a run made already."""
    check_labels(SensorFolds(output / "recordings" / "set", FoldsConfig.of(config)))


def _check_sides(task: str, number: int, sides: SubjectSides, labels: dict[str, set[str | float]], config: FoldsConfig) -> None:
    other = "Choose other subjects.test" if config.subjects.test else "Try another seed, or fewer subjects.folds"
    for side, names in (("train", sides.train), ("valid", sides.valid), ("test", sides.test)):
        found = set().union(*(labels[name] for name in names))
        if not found:
            raise DataError(
                f"task '{task}': no labelled window of the {side} subjects {', '.join(names)}, fold {number}. {other}"
            )
        if side == "train" and len(found) == 1:
            raise DataError(
                f"task '{task}': every label of the train subjects is {next(iter(found))!r}, fold {number}: there is nothing to "
                f"learn. {other}"
            )
