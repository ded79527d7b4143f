"""Classes of windows or of their frames, with -1 where none is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from audiossl.errors import DataError
from audiossl.pipelines.sensors.data import SensorFold, SensorFolds
from audiossl.signals.sensors.subjects import SubjectSides
from audiossl.signals.sensors.windows import WindowSet


@dataclass(frozen=True)
class Grid:
    """Where the frames of a window are.

    Attributes:
        rate: frames per second.
        offset: seconds from the start of a window to the centre of its first frame.
        count: frames of a window of full length.
    """

    rate: float
    offset: float
    count: int


@dataclass(frozen=True)
class Targets:
    """Classes of all windows of a fold.

    Attributes:
        y: class of every window (T = 1), or of its frames; -1 where there is none.
        classes: their names.
        of_window: class by which a window is drawn: its own, or the most frequent one of a window whose frames all have one.
    """

    y: Int[Tensor, "N T"]
    classes: tuple[str, ...]
    of_window: Int[Tensor, "N"]


def targets_of(folds: SensorFolds, fold: SensorFold, grid: Grid | None) -> Targets:
    """Classes of windows, or with a grid those of frames.

    Raises:
        DataError: if labels are quantities, which have no classes to draw by.
    """
    if not fold.task.classes:
        raise DataError(f"task '{fold.task.name}': labels are quantities; semi-supervised methods predict classes")
    if grid is not None:
        return _of_frames(folds, fold, grid)
    number = {name: index for index, name in enumerate(fold.task.classes)}
    y = torch.tensor([-1 if label is None else number[str(label)] for label in fold.windows.labels])
    return Targets(y[:, None], fold.task.classes, y)


def _of_frames(folds: SensorFolds, fold: SensorFold, grid: Grid) -> Targets:
    config, rate = folds.config, fold.windows.rate
    allowed = frozenset(config.classes)
    found: list[list[str]] = []
    marks: dict[int, list[tuple[float, float, str]]] = {}
    centres = grid.offset + np.arange(grid.count) / grid.rate
    for window, length in zip(folds.places, fold.windows.lengths.tolist(), strict=True):
        if window.recording not in marks:
            stretches = folds.recordings[window.recording].annotations.get(config.task, ())
            marks[window.recording] = [
                (mark.start, mark.end, str(mark.value))
                for mark in stretches
                if mark.value is not None and (not allowed or str(mark.value) in allowed)
            ]
        names = np.full(grid.count, "", dtype=object)
        times = window.start / rate + centres
        for start, end, value in marks[window.recording]:
            names[(times >= start) & (times < end) & (centres < length / rate)] = value
        found.append(names.tolist())
    classes = tuple(sorted({name for names in found for name in names if name}))
    number = {"": -1, **{name: index for index, name in enumerate(classes)}}
    y = torch.tensor([[number[name] for name in names] for names in found])
    most = torch.stack([(y == k).sum(1) for k in range(len(classes))], 1).argmax(1)
    return Targets(y, classes, torch.where((y >= 0).all(1), most, -1))


def ids_by_class(fold: SensorFold, targets: Targets, sides: SubjectSides) -> dict[str, list[list[str]]]:
    """Ids of the windows of each class that may be drawn, of training and of validation subjects.

    Raises:
        DataError: if no training subject has a window of a class.
    """
    found: dict[str, list[list[str]]] = {}
    for side, names in (("train", sides.train), ("valid", sides.valid)):
        chosen = frozenset(names)
        classes: list[list[str]] = [[] for _ in targets.classes]
        for id_, subject, k in zip(fold.windows.ids, fold.windows.subjects, targets.of_window.tolist(), strict=True):
            if k >= 0 and subject in chosen:
                classes[k].append(id_)
        found[side] = classes
    if missing := [name for name, ids in zip(targets.classes, found["train"], strict=True) if not ids]:
        raise DataError(
            f"task '{fold.task.name}': no window of the training subjects is of {', '.join(missing)}; take other subjects, or "
            f"say task.classes"
        )
    return found


def test_rows(fold: SensorFold, targets: Targets) -> Int[Tensor, "M"]:
    """Rows of the windows of test subjects that are scored: those with a class, or with a frame that has one."""
    chosen = frozenset(fold.sides.test)
    known = (targets.y >= 0).any(1).tolist()
    return torch.tensor([row for row, name in enumerate(fold.windows.subjects) if name in chosen and known[row]])


def starts_of(windows: WindowSet) -> Int[Tensor, "N"]:
    """First sample of every window in its recording."""
    return torch.tensor([int(id_.rpartition("@")[2]) for id_ in windows.ids])


def frame_counts(windows: WindowSet, grid: Grid | None) -> Int[Tensor, "N"]:
    """Valid frames of every window; 1 where windows are classified as a whole."""
    if grid is None:
        return torch.ones_like(windows.lengths)
    return -(-windows.lengths // round(windows.rate / grid.rate))


def neighbours(
    starts: Int[Tensor, "N"], recording: Int[Tensor, "N"], pool: Int[Tensor, "U"], *, size: int, hop: int
) -> tuple[Int[Tensor, "N 2"], int] | None:
    """For each window a pair of overlapping windows of its recording, and by how many frames the second is later.

    A window without such a neighbour gets the pair of a window of the pool, so that nobody else is learned from.

    Args:
        starts: first samples, in order of time in each recording.
        recording: number of each window's recording.
        pool: windows that are learned from.
        size: samples of a window.
        hop: samples of a frame.

    Returns:
        pairs of rows and the shift; None where windows of the pool do not overlap by whole frames.
    """
    same = recording[1:] == recording[:-1]
    steps = starts[1:] - starts[:-1]
    apart = steps[same & (steps > 0) & (steps % hop == 0) & (steps < size)]
    if not len(apart):
        return None
    step = int(apart.mode().values)
    follows, no = same & (steps == step), torch.tensor([False])
    rows = torch.arange(len(starts))
    first = torch.where(torch.cat([follows, no]), rows, torch.where(torch.cat([no, follows]), rows - 1, -1))
    found = first[pool][first[pool] >= 0]
    if not len(found):
        return None
    first = torch.where(first >= 0, first, found[0])
    return torch.stack([first, first + 1], 1), step // hop
