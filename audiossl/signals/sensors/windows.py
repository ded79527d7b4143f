"""Fixed windows of sensor recordings, with what is known about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError, DataError
from audiossl.lengths import standardise_known
from audiossl.signals.sensors.recording import Annotation, SensorRecording
from audiossl.signals.sensors.statistics import ChannelStatistics

Normalisation = Literal["training", "window", "none"]
BLOCK = 512  # windows normalised at once, so that copies are small


@dataclass
class WindowConfig:
    """How recordings are cut.

    Attributes:
        seconds: length of a window.
        hop: seconds between starts of windows.
        by: `time` cuts every `hop` seconds; `annotation` takes one window from the start of each annotation of the task, with its
            label even where the window outlasts it: words and events are shorter than windows that hold them.
        normalise: `training` subtracts mean and deviation of the training subjects' channels, `window` those of the window's own
            channels (the scale is lost), `none` leaves units alone.
        min_share: a window with a smaller share of known samples in any channel is left out; missing samples are zero after
            normalisation. A recording shorter than a window gives one shorter window if it has this share of it.
    """

    seconds: float = 2.56
    hop: float = 1.28
    by: Literal["time", "annotation"] = "time"
    normalise: Normalisation = "training"
    min_share: float = 0.9

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.hop <= 0:
            raise ConfigError(f"windows.seconds and windows.hop should be above 0, got {self.seconds} and {self.hop}")


@dataclass(frozen=True)
class Window:
    """Where a window is: the number of its recording, its first sample and its samples; `value` is None where no label holds."""

    recording: int
    start: int
    length: int
    value: str | float | None


def cut_windows(
    recordings: Sequence[SensorRecording], config: WindowConfig, task: str | None, classes: Sequence[str] = ()
) -> list[Window]:
    """Cut recordings into windows, in order.

    By time a window has a class if one annotation of the task holds during all of it, and a quantity likewise. By annotation it
    has the one that it starts with.

    Args:
        recordings: of one rate.
        config: lengths.
        task: name of the annotations that are read; None reads none.
        classes: that count; others are as if they were not known. Empty takes all.

    Raises:
        DataError: if no window comes out, or a class does not occur.
    """
    known: set[str] = set()
    windows: list[Window] = []
    for number, recording in enumerate(recordings):
        size = round(config.seconds * recording.rate)
        stretches = recording.annotations.get(task, ()) if task else ()
        known.update(str(stretch.value) for stretch in stretches)
        if config.by == "annotation":
            starts = [round(stretch.start * recording.rate) for stretch in stretches]
        else:
            hop = max(1, round(config.hop * recording.rate))
            starts = list(range(0, max(1, recording.num_samples - size + 1), hop))
        present = ~np.isnan(recording.values)
        for index, start in enumerate(starts):
            length = min(size, recording.num_samples - start)
            if length <= 0 or present[:, start : start + length].sum(1).min() < config.min_share * size:
                continue
            stretch = stretches[index] if config.by == "annotation" else _holding(stretches, start, length, recording.rate)
            value = stretch.value if stretch else None
            windows.append(Window(number, start, length, value if not classes or value in classes else None))
    if unknown := sorted(set(classes) - known):
        raise DataError(f"no recording has {', '.join(unknown)} under '{task}'; it has {', '.join(sorted(known))}")
    if not windows:
        raise DataError(f"no recording gives a window of {config.seconds} s with {config.min_share:.0%} of its samples known")
    return windows


def _holding(stretches: Sequence[Annotation], start: int, length: int, rate: float) -> Annotation | None:
    """The annotation that holds during all samples of a window; ends may be off by half a sample."""
    first, last = (start + 0.5) / rate, (start + length - 0.5) / rate
    return next((stretch for stretch in stretches if stretch.start < first and last < stretch.end), None)


class WindowSet:
    """Windows of recordings as tensors.

    Attributes:
        values: (N, C, L), normalised, missing samples and those beyond a length zero.
        lengths: samples of each window.
        ids: recording and first sample, as in `walk_3@128`.
        subjects: who each window is of.
        recording: number of each window's recording.
        labels: class or quantity, None where none is known.
        rate: Hz.

    Args:
        recordings: of one rate and the same channels.
        windows: from `cut_windows`.
        normalise: how.
        statistics: of the training subjects; needed for `training`.

    Raises:
        ConfigError: if `statistics` are needed and missing.
    """

    def __init__(
        self,
        recordings: Sequence[SensorRecording],
        windows: Sequence[Window],
        normalise: Normalisation,
        statistics: ChannelStatistics | None = None,
    ) -> None:
        if normalise == "training" and statistics is None:
            raise ConfigError("windows.normalise=training needs the statistics of the training subjects")
        first = recordings[0]
        self.rate = first.rate
        self.lengths: Int[Tensor, "N"] = torch.tensor([window.length for window in windows])
        shape = (len(windows), len(first.channels), int(self.lengths.max()))
        self.values: Float[Tensor, "N C L"] = torch.full(shape, torch.nan)
        self.ids: list[str] = []
        self.subjects: list[str] = []
        for number, group in groupby(enumerate(windows), lambda item: item[1].recording):
            recording = recordings[number]  # its file may be open only as long as this
            for row, window in group:
                samples = recording.values[:, window.start : window.start + window.length]
                self.values[row, :, : window.length] = torch.from_numpy(np.array(samples))
                self.ids.append(f"{recording.id}@{window.start}")
                self.subjects.append(recording.subject)
        for block in self.values.split(BLOCK):
            known = ~block.isnan()
            block.nan_to_num_()
            if normalise == "training" and statistics is not None:
                block.sub_(statistics.mean[:, None]).div_(statistics.deviation[:, None])
            elif normalise == "window":
                block.copy_(standardise_known(block, known))
            block.mul_(known)
        self.recording: Int[Tensor, "N"] = torch.tensor([window.recording for window in windows])
        self.labels = [window.value for window in windows]

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, subjects: Sequence[str], labelled: bool = False) -> list[int]:
        """Numbers of the windows of some subjects, with `labelled` only those whose label is known."""
        chosen = frozenset(subjects)
        return [i for i, subject in enumerate(self.subjects) if subject in chosen and not (labelled and self.labels[i] is None)]
