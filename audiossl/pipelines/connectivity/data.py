"""Runs of a connectivity recipe as tensors, and the parts of them that pre-training and tasks see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.pipelines.connectivity.config import ConnectivityRecipe
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


def task_people(runs: Runs, config: ConnectivityRecipe) -> list[str]:
    """People that tasks are about: who is not in pre-training, where that names people; else everybody.

    Raises:
        DataError: if pre-training names somebody who has no run, or everybody.
    """
    seen = set(config.pretrain.subjects)
    if unknown := sorted(seen - set(runs.subjects)):
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
    for sessions in (sessions for name, sessions in runs.sessions.items() if name in chosen):
        whole = [stretch for session in sessions for stretch in session]
        if config.pretrain.part == "first_session":
            found += sessions[0]
        elif config.pretrain.part == "first_half":
            found += [replace(stretch, last=stretch.last // 2) for stretch in whole]
        else:
            found += whole
    return sorted(found, key=lambda stretch: stretch.run)


def fingerprint_stretches(runs: Runs, config: ConnectivityRecipe) -> tuple[list[Stretch], list[Stretch]]:
    """Gallery part and the other part of everybody who has both, the first of `fingerprint_choices`."""
    first = [choices[0] for choices in fingerprint_choices(runs, config).values() if choices]
    return [gallery for gallery, _ in first], [probe for _, probe in first]


def fingerprint_choices(runs: Runs, config: ConnectivityRecipe) -> dict[str, list[tuple[Stretch, Stretch]]]:
    """Pairs of a gallery part and another part of everybody a task is about: runs of their first two sessions, first runs first.

    Where pre-training sees everybody's first halves, or half of the people have one session, they are the halves of a run.
    Otherwise people with one session have no pair: a run that is missing does not change the task of the others. Later pairs are
    for people whose first runs cannot be used.
    """
    of_people = {name: runs.sessions[name] for name in task_people(runs, config)}
    num_single = sum(len(sessions) < 2 for sessions in of_people.values())
    by_half = config.pretrain.part == "first_half" and not config.pretrain.subjects
    if by_half or 2 * num_single >= len(of_people):
        return {
            name: [
                (replace(run, last=run.last // 2), replace(run, first=run.last // 2)) for session in sessions for run in session
            ]
            for name, sessions in of_people.items()
        }
    return {name: list(product(sessions[0], sessions[1])) if len(sessions) > 1 else [] for name, sessions in of_people.items()}


def is_transductive(runs: Runs, config: ConnectivityRecipe) -> bool:
    """Whether pre-training sees volumes that are to be identified."""
    probes: dict[int, list[Stretch]] = {}
    for probe in fingerprint_stretches(runs, config)[1]:
        probes.setdefault(probe.run, []).append(probe)
    return any(seen.meets(probe) for seen in training_stretches(runs, config) for probe in probes.get(seen.run, ()))


def _series(run: SensorRecording, regions: list[str]) -> Float[Tensor, "N T"]:
    """Standardised, with NaN where volumes were censored."""
    return torch.from_numpy(standardised(run, regions))
