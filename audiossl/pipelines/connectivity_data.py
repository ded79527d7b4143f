"""Runs of a connectivity recipe as tensors, and the parts of them that pre-training and tasks see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.fmri.fingerprint import draw_segments
from audiossl.objectives.window_batch import WindowBatch
from audiossl.objectives.window_labels import LabelledWindowBatch
from audiossl.pipelines.connectivity_config import ConnectivityRecipe
from audiossl.seeds import derive_generator
from audiossl.signals.bold.matrix import is_matrix
from audiossl.signals.bold.run import common_regions, standardised
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.recording_set import RecordingSet
from audiossl.training.world import World


@dataclass(frozen=True)
class Stretch:
    """Volumes `first` to `last`, exclusive, of the run of that number."""

    run: int
    first: int
    last: int

    def meets(self, other: Stretch) -> bool:
        """Whether the two share a volume."""
        return self.run == other.run and self.first < other.last and other.first < self.last


@dataclass(frozen=True)
class Runs:
    """Standardised series of every run, in the regions that all runs have.

    Attributes:
        source: their values, opened when they are asked for: a cohort has more runs than a process may have open files.
        numbers: of the runs in it.
        recordings: what is known of them; their values are zeros that take no memory.
        series: (N, T) each, NaN at censored volumes.
        regions: names of the N regions.
        left_out: regions that some run lacks.
    """

    source: RecordingSet
    numbers: list[int]
    recordings: list[SensorRecording]
    series: list[Float[Tensor, "N _"]]
    regions: list[str]
    left_out: list[str]

    @classmethod
    def open(cls, folder: Path) -> Runs:
        """Open the runs of a recordings stage."""
        source = RecordingSet(folder)
        about = [replace(run, values=np.broadcast_to(np.float32(0), run.values.shape)) for run in source]
        numbers = list(range(len(source)))
        if is_matrix(about[0]):
            matrices = [torch.from_numpy(np.array(recording.values)) for recording in source]
            return cls(source, numbers, about, matrices, list(about[0].channels), [])
        regions, left_out = common_regions(source)
        return cls(source, numbers, about, [_series(run, regions) for run in source], regions, left_out)

    @property
    def are_matrices(self) -> bool:
        """Whether there are matrices in the place of series."""
        return is_matrix(self.recordings[0])

    @property
    def tr(self) -> float:
        """Seconds a volume; the median of runs whose sites differ."""
        return 1 / float(np.median([run.rate for run in self.recordings]))

    def of(self, subjects: list[str]) -> Runs:
        """The runs of some people."""
        places = [i for i, run in enumerate(self.recordings) if run.subject in subjects]
        return replace(
            self,
            numbers=[self.numbers[i] for i in places],
            recordings=[self.recordings[i] for i in places],
            series=[self.series[i] for i in places],
        )

    def part(self, stretch: Stretch) -> Float[Tensor, "N _"]:
        """A stretch of a run, detrended and standardised by itself."""
        if (stretch.first, stretch.last) == (0, self.recordings[stretch.run].num_samples):
            return self.series[stretch.run]
        run = self.source[self.numbers[stretch.run]]
        return _series(replace(run, values=np.asarray(run.values[:, stretch.first : stretch.last])), self.regions)

    @property
    def subjects(self) -> list[str]:
        """People, each once."""
        return list(dict.fromkeys(run.subject for run in self.recordings))


def task_people(runs: Runs, config: ConnectivityRecipe) -> list[str]:
    """People that tasks are about: who is not in pre-training, where that names people; else everybody.

    Raises:
        DataError: if pre-training names somebody who has no run, or everybody.
    """
    seen = config.pretrain.subjects
    if unknown := sorted(set(seen) - set(runs.subjects)):
        raise DataError(f"pretrain.subjects names {', '.join(unknown)}; the data have {', '.join(runs.subjects)}")
    others = [name for name in runs.subjects if name not in seen]
    if not others:
        raise DataError(f"pretrain.subjects names all {len(seen)} people, so nobody is left for the tasks")
    return others


def task_runs(runs: Runs, config: ConnectivityRecipe) -> Runs:
    """Runs of the people that tasks are about."""
    return runs.of(task_people(runs, config)) if config.pretrain.subjects else runs


def training_stretches(runs: Runs, config: ConnectivityRecipe) -> list[Stretch]:
    """What pre-training sees."""
    chosen = set(config.pretrain.subjects or runs.subjects)
    found = []
    for name in (name for name in runs.subjects if name in chosen):
        sessions = _sessions(runs, name)
        whole = [stretch for session in sessions for stretch in session]
        if config.pretrain.part == "first_session":
            found += sessions[0]
        elif config.pretrain.part == "first_half":
            found += [replace(stretch, last=stretch.last // 2) for stretch in whole]
        else:
            found += whole
    return sorted(found, key=lambda stretch: stretch.run)


def training_series(runs: Runs, config: ConnectivityRecipe) -> list[Float[Tensor, "N _"]]:
    """What pre-training sees of every run, standardised over that part alone."""
    return [runs.part(stretch) for stretch in training_stretches(runs, config)]


def fingerprint_stretches(runs: Runs, config: ConnectivityRecipe) -> tuple[list[Stretch], list[Stretch]]:
    """Gallery part and the other part of everybody a task is about: the first runs of their first two sessions.

    Where pre-training sees everybody's first halves, or somebody has one session, they are the halves of everybody's first run.
    """
    of_people = [_sessions(runs, name) for name in task_people(runs, config)]
    by_half = config.pretrain.part == "first_half" and not config.pretrain.subjects
    if by_half or min(map(len, of_people)) < 2:
        first = [sessions[0][0] for sessions in of_people]
        return [replace(run, last=run.last // 2) for run in first], [replace(run, first=run.last // 2) for run in first]
    return [sessions[0][0] for sessions in of_people], [sessions[1][0] for sessions in of_people]


def is_transductive(runs: Runs, config: ConnectivityRecipe) -> bool:
    """Whether pre-training sees volumes that are to be identified."""
    seen = training_stretches(runs, config)
    return any(one.meets(probe) for one in seen for probe in fingerprint_stretches(runs, config)[1])


def segments(runs: Runs, config: ConnectivityRecipe) -> Iterator[tuple[Float[Tensor, "P N L"], Float[Tensor, "P N L"]]]:
    """Segments of everybody's gallery part and other part, draw by draw; the same for every model and seed.

    Segments of which less than half of the volumes are kept are not drawn.
    """
    length = config.fingerprint.volumes
    parts = [[runs.part(stretch) for stretch in part] for part in fingerprint_stretches(runs, config)]
    places = [[_usable_starts(series, length) for series in part] for part in parts]
    counts = [[len(starts) for starts in part] for part in places]
    drawn = draw_segments(counts[0], counts[1], length, config.fingerprint.draws, seed=0)
    for draw in drawn.tolist():
        gallery, other = (
            torch.stack([series[:, starts[i] : starts[i] + length] for series, starts, i in zip(*row, strict=True)])
            for row in zip(parts, places, draw, strict=True)
        )
        yield gallery, other


def _series(run: SensorRecording, regions: list[str]) -> Float[Tensor, "N T"]:
    """Standardised, with NaN where volumes were censored."""
    return torch.from_numpy(standardised(run, regions))


def _sessions(runs: Runs, subject: str) -> list[list[Stretch]]:
    """Whole runs of a person by session; a run that does not say its session is one."""
    found: dict[str, list[Stretch]] = {}
    for place, run in enumerate(runs.recordings):
        if run.subject == subject:
            found.setdefault(str(run.custom.get("session") or run.id), []).append(Stretch(place, 0, run.num_samples))
    return list(found.values())


def _usable_starts(series: Float[Tensor, "N T"], length: int) -> list[int]:
    if series.shape[1] < length:
        raise DataError(f"expected parts of at least {length} volumes, a segment, got {series.shape[1]}")
    kept = (~series.isnan().all(0)).unfold(0, length, 1).sum(1)
    starts: list[int] = (2 * kept >= length).nonzero()[:, 0].tolist()
    if not starts:
        raise DataError(f"expected {length} volumes, a segment, of which half are not censored in every part, got none")
    return starts


class RunCrops:
    """Batches of random crops, one of each run: crops of one length, so that nothing is padded.

    Raises:
        DataError: if a run is shorter than a crop.
    """

    def __init__(
        self,
        series: list[Float[Tensor, "N _"]],
        crop: int,
        batch_runs: int,
        rate: float,
        seed: int,
        labels: list[int] | None = None,
    ) -> None:
        if (shortest := min(own.shape[1] for own in series)) < crop:
            raise DataError(f"expected {crop} volumes of every run for a crop, got {shortest}: lower pretrain.crop")
        self.series, self.crop, self.size, self.rate, self.seed = series, crop, min(batch_runs, len(series)), rate, seed
        self.labels, self.world = labels, World.join()

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of every epoch."""
        return max(1, len(self.series) // self.size // batches_per_step)

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[WindowBatch | LabelledWindowBatch]:
        """Iterate over this rank's batches of an epoch, from any step on."""
        order = torch.randperm(len(self.series), generator=derive_generator(self.seed, "runs", epoch))
        batches = list(order[: len(order) // self.size * self.size].split(self.size))
        batches = batches * batches_per_step if len(batches) < batches_per_step else batches
        for step in range(first_step, len(batches) // batches_per_step):
            group = batches[step * batches_per_step : (step + 1) * batches_per_step]
            for place in range(self.world.rank, len(group), self.world.size):
                yield self._batch(group[place].tolist(), epoch, step * batches_per_step + place)

    def fixed(self) -> list[WindowBatch]:
        """One batch of the last crop of every run, for a measurement."""
        signal = torch.stack([own[:, -self.crop :] for own in self.series])
        return [_as_batch(signal, self.rate)]

    def _batch(self, rows: list[int], epoch: int, place: int) -> WindowBatch | LabelledWindowBatch:
        generator = derive_generator(self.seed, "crops", epoch, place)
        parts = []
        for row in rows:
            own = self.series[row]
            start = int(torch.randint(own.shape[1] - self.crop + 1, (), generator=generator))
            parts.append(own[:, start : start + self.crop])
        batch = _as_batch(torch.stack(parts), self.rate)
        return batch if self.labels is None else LabelledWindowBatch(batch, torch.tensor([self.labels[row] for row in rows]))


def _as_batch(signal: Float[Tensor, "B N T"], rate: float) -> WindowBatch:
    names = [str(i) for i in range(len(signal))]
    return WindowBatch(signal, torch.full((len(signal),), signal.shape[2]), names, names, rate)
