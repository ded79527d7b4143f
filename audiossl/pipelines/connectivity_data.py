"""Runs of a connectivity recipe as tensors, and the parts of them that pre-training and tasks see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
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
class Runs:
    """Standardised series of every run, in the regions that all runs have.

    Attributes:
        recordings: what is known of them.
        series: (N, T) each.
        regions: names of the N regions.
        left_out: regions that some run lacks.
    """

    recordings: list[SensorRecording]
    series: list[Float[Tensor, "N _"]]
    regions: list[str]
    left_out: list[str]

    @classmethod
    def open(cls, folder: Path) -> Runs:
        """Open the runs of a recordings stage."""
        recordings = RecordingSet(folder).recordings
        if is_matrix(recordings[0]):
            matrices = [torch.from_numpy(np.array(recording.values)) for recording in recordings]
            return cls(recordings, matrices, list(recordings[0].channels), [])
        regions, left_out = common_regions(recordings)
        return cls(recordings, [torch.from_numpy(standardised(run, regions)) for run in recordings], regions, left_out)

    @property
    def are_matrices(self) -> bool:
        """Whether there are matrices in the place of series."""
        return is_matrix(self.recordings[0])

    @property
    def tr(self) -> float:
        """Seconds a volume."""
        return 1 / self.recordings[0].rate

    def of(self, subjects: list[str]) -> Runs:
        """The runs of some people."""
        places = [i for i, run in enumerate(self.recordings) if run.subject in subjects]
        return Runs([self.recordings[i] for i in places], [self.series[i] for i in places], self.regions, self.left_out)

    def half(self, place: int, which: int) -> Float[Tensor, "N _"]:
        """The first (0) or second (1) half of a run, detrended and standardised by itself."""
        run = self.recordings[place]
        middle = run.num_samples // 2
        values = run.values[:, :middle] if which == 0 else run.values[:, middle:]
        return torch.from_numpy(standardised(replace(run, values=np.asarray(values)), self.regions))

    @property
    def subjects(self) -> list[str]:
        """People, each once."""
        return list(dict.fromkeys(run.subject for run in self.recordings))


def task_runs(runs: Runs, config: ConnectivityRecipe) -> Runs:
    """Runs of the people that tasks are about: who is not in pre-training, where that names people; else everybody."""
    seen = config.pretrain.subjects
    if not seen:
        return runs
    if unknown := sorted(set(seen) - set(runs.subjects)):
        raise DataError(f"pretrain.subjects names {', '.join(unknown)}; the data have {', '.join(runs.subjects)}")
    return runs.of([name for name in runs.subjects if name not in seen])


def training_series(runs: Runs, config: ConnectivityRecipe) -> list[Float[Tensor, "N _"]]:
    """What pre-training sees of every run, standardised over that part alone."""
    chosen = runs.of(config.pretrain.subjects) if config.pretrain.subjects else runs
    if config.pretrain.part == "all":
        return chosen.series
    if config.pretrain.part == "first_half":
        return [chosen.half(place, 0) for place in range(len(chosen.series))]
    first = {}
    for run, series in zip(chosen.recordings, chosen.series, strict=True):
        first.setdefault(run.subject, series)
    return list(first.values())


def fingerprint_parts(runs: Runs) -> tuple[list[Float[Tensor, "N _"]], list[Float[Tensor, "N _"]]]:
    """Gallery part and the other part of every person: their first two runs, or the halves of their only one."""
    parts = []
    for name in runs.subjects:
        own = runs.of([name])
        parts.append(own.series[:2] if len(own.series) > 1 else [own.half(0, 0), own.half(0, 1)])
    gallery, other = zip(*parts, strict=True)
    return list(gallery), list(other)


def segments(runs: Runs, config: ConnectivityRecipe) -> Iterator[tuple[Float[Tensor, "P N L"], Float[Tensor, "P N L"]]]:
    """Segments of everybody's gallery part and other part, draw by draw; the same for every model and seed."""
    length = config.fingerprint.volumes
    gallery, other = fingerprint_parts(runs)
    sizes, others = ([series.shape[1] for series in part] for part in (gallery, other))
    starts: Int[Tensor, "D 2 P"] = draw_segments(sizes, others, length, config.fingerprint.draws, seed=0)
    for first, second in starts.tolist():
        yield _cut(gallery, first, length), _cut(other, second, length)


def _cut(part: list[Float[Tensor, "N _"]], starts: list[int], length: int) -> Float[Tensor, "P N L"]:
    return torch.stack([series[:, start : start + length] for series, start in zip(part, starts, strict=True)])


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
