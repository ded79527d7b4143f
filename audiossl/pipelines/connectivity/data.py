"""Runs of a connectivity recipe as tensors, and the parts of them that pre-training and tasks see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.signals.bold.matrix import is_matrix
from audiossl.signals.bold.run import common_regions, standardised
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.signals.sensors.recording_set import RecordingSet

SAME_TIME = 0.01  # share by which repetition times may differ and be one


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
        """Seconds a volume: of most runs, where they differ, and the shortest of as many."""
        counts = self.repetition_times
        return max(counts, key=lambda seconds: (counts[seconds], -seconds))

    @property
    def repetition_times(self) -> dict[float, int]:
        """How many runs have each repetition time, seconds, in rising order; times within 1 % are one."""
        counts: dict[float, int] = {}
        for seconds in sorted(round(1 / run.rate, 6) for run in self.recordings):
            near = next((known for known in counts if seconds <= known * (1 + SAME_TIME)), seconds)
            counts[near] = counts.get(near, 0) + 1
        return counts

    def of(self, subjects: list[str]) -> Runs:
        """The runs of some people."""
        wanted = set(subjects)
        return self.at([i for i, run in enumerate(self.recordings) if run.subject in wanted])

    def at(self, places: list[int]) -> Runs:
        """The runs at some places."""
        return replace(
            self,
            numbers=[self.numbers[i] for i in places],
            recordings=[self.recordings[i] for i in places],
            series=[self.series[i] for i in places],
        )

    def kept(self, stretch: Stretch) -> Bool[Tensor, "T"]:
        """Volumes of a stretch that are not censored."""
        return ~self.series[stretch.run][:, stretch.first : stretch.last].isnan().all(0)

    def part(self, stretch: Stretch) -> Float[Tensor, "N _"]:
        """A stretch of a run, detrended and standardised by itself."""
        if (stretch.first, stretch.last) == (0, self.recordings[stretch.run].num_samples):
            return self.series[stretch.run]
        run = self.source[self.numbers[stretch.run]]
        return _series(replace(run, values=np.asarray(run.values[:, stretch.first : stretch.last])), self.regions)

    @property
    def subjects(self) -> list[str]:
        """People, each once."""
        return list(self.sessions)

    @cached_property
    def sessions(self) -> dict[str, list[list[Stretch]]]:
        """Whole runs of every person by session; a run that does not say its session is one."""
        found: dict[str, dict[str, list[Stretch]]] = {}
        for place, run in enumerate(self.recordings):
            of_person = found.setdefault(run.subject, {})
            of_person.setdefault(str(run.custom.get("session") or run.id), []).append(Stretch(place, 0, run.num_samples))
        return {name: list(of_person.values()) for name, of_person in found.items()}


def _series(run: SensorRecording, regions: list[str]) -> Float[Tensor, "N T"]:
    """Standardised, with NaN where volumes were censored."""
    return torch.from_numpy(standardised(run, regions))
