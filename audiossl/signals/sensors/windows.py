"""Fixed windows of sensor recordings, with what is known about each."""

from __future__ import annotations

import math
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
from audiossl.signals.sensors.label_counts import LabelCounts
from audiossl.signals.sensors.labels import Label, LabelKind
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.statistics import ChannelStatistics
from audiossl.signals.sensors.stretch_index import StretchIndex

Normalisation = Literal["training", "window", "none"]
_ROUNDING = 0.5 + 1e-6  # samples that a window, as its label, may end behind a recording
BLOCK = 512  # windows normalised at once, so that copies are small


@dataclass
class WindowConfig:
    """How recordings are cut.

    Attributes:
        seconds: length of a window.
        hop: seconds between starts of windows: start k lies at the sample nearest to k x hop x rate, so that nothing adds up.
        by: `time` cuts every `hop` seconds; `annotation` takes one window from the start of each annotation of the task, with its
            label even where the window outlasts it: words and events are shorter than windows that hold them.
        normalise: `training` subtracts mean and deviation of the training subjects' channels, `window` those of the window's own
            channels (the scale is lost), `none` leaves units alone.
        min_share: a window with a smaller share of known samples in any channel is left out; missing samples are zero after
            normalisation. A recording shorter than a window gives one shorter window if it has this share of it.

    >>> WindowConfig(seconds=2.0, hop=1.0).normalise
    'training'
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
    value: Label


def cut_windows(
    recordings: Sequence[SensorRecording], config: WindowConfig, task: str | None, classes: Sequence[str] = ()
) -> list[Window]:
    """Cut recordings into windows, in order; see `cut_and_count`, which also counts what became of the labels.

    >>> import numpy as np
    >>> values = np.zeros((1, 100), np.float32)
    >>> recording = SensorRecording("walk_1", "anna", 50.0, ("acc_x",), ("g",), values)
    >>> windows = cut_windows([recording], WindowConfig(seconds=1.0, hop=0.5), None)
    >>> [window.start for window in windows]
    [0, 25, 50]
    """
    return cut_and_count(recordings, config, task, classes)[0]


def cut_and_count(
    recordings: Sequence[SensorRecording],
    config: WindowConfig,
    task: str | None,
    classes: Sequence[str] = (),
    kind: LabelKind = "auto",
) -> tuple[list[Window], LabelCounts]:
    """Cut recordings into windows, in order, and count the labels that no window has.

    By time window k lies from k x hop to k x hop + seconds, whatever the rate; its samples begin at the nearest one. It has a
    class if one annotation of the task holds during all of it, and a quantity likewise, to within half a sample. Where labels
    that differ hold it has none. By annotation it has the one that it starts with.

    Args:
        recordings: recordings of one rate.
        config: lengths.
        task: name of the annotations that are read; None reads none.
        classes: classes that count; others are as if they were not known. Empty takes all.
        kind: what the labels are declared to be; `auto` takes text for classes and numbers for quantities.

    Raises:
        DataError: if no window comes out, a class does not occur, or a label is not what is declared.
    """
    known: set[str] = set()
    windows: list[Window] = []
    counts = LabelCounts(task)
    for number, recording in enumerate(recordings):
        span = _whole_if_near(config.seconds * recording.rate)
        size = max(1, round(span))
        stretches = recording.annotations.get(task, ()) if task else ()
        if config.by == "annotation":
            times = [stretch.start * recording.rate for stretch in stretches]
        else:
            times = _regular(config.hop * recording.rate, span, recording.num_samples)
        try:
            index = StretchIndex(task, stretches, recording.rate, classes, kind)
        except DataError as error:
            raise DataError(f"{recording.id}: {task}: {error}") from error
        known |= index.names
        present = ~np.isnan(recording.values)
        for place, time in enumerate(times):
            is_whole = time + span <= recording.num_samples + _ROUNDING
            start = round(time)
            if is_whole:  # half a sample before the nearest one, rather than beyond the end
                start = min(start, max(recording.num_samples - size, math.ceil(time - 0.5)))
            length = min(size, recording.num_samples - start)
            # A window that is whole by time may lack a sample; a recording shorter than a window lacks more.
            wanted = length if is_whole else size
            if length <= 0 or present[:, start : start + length].sum(1).min() < config.min_share * wanted:
                continue
            if config.by == "annotation":
                value = index.starting(stretches[place])
            else:
                value = index.holding(time, min(time + span, float(recording.num_samples)))
            windows.append(Window(number, start, length, value))
        counts += index.counts()
    if unknown := sorted(set(classes) - known):
        raise DataError(f"no recording has {', '.join(unknown)} under '{task}'; it has {', '.join(sorted(known))}")
    if not windows:
        raise DataError(f"no recording gives a window of {config.seconds} s with {config.min_share:.0%} of its samples known")
    return windows, counts


def _whole_if_near(samples: float) -> float:
    """A whole number of samples where only the product of seconds and rate is rounded, as 0.28 x 100."""
    return float(round(samples)) if abs(samples - round(samples)) < 1e-9 * samples else samples


def _regular(hop: float, span: float, num_samples: int) -> list[float]:
    """Where windows begin by time, as positions among samples: those that lie within the recording, at least the first.

    A hop of less than a sample would give the same window several times, each of which counts once.
    """
    hop = _whole_if_near(hop)
    times = np.arange(max(0, math.floor((num_samples + 1 - span) / hop)) + 1) * hop
    # A window may also fit by its samples only, where rounding makes it shorter.
    fits = (times + span <= num_samples + _ROUNDING) | (np.rint(times) + max(1, round(span)) <= num_samples)
    fits[0] = True
    times = times[fits]
    return times[np.unique(np.rint(times), return_index=True)[1]].tolist()


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
        recordings: recordings of one rate and the same channels.
        windows: windows from `cut_windows`.
        normalise: how.
        statistics: statistics of the training subjects; needed for `training`.

    Raises:
        ConfigError: if `statistics` are needed and missing.

    >>> import numpy as np
    >>> values = np.zeros((1, 100), np.float32)
    >>> recording = SensorRecording("walk_1", "anna", 50.0, ("acc_x",), ("g",), values)
    >>> windows = cut_windows([recording], WindowConfig(seconds=1.0, hop=0.5), None)
    >>> WindowSet([recording], windows, "none").values.shape
    torch.Size([3, 1, 50])
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
