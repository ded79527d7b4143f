"""The design of a connectivity run: the parts of people's runs that pre-training and tasks see (rules against leakage)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from audiossl.errors import DataError
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, FingerprintConfig, PretrainConfig
from audiossl.pipelines.connectivity.data import Runs, Stretch

Windows = tuple[tuple[int, int, int], ...]  # window and stride, volumes, and how many such windows are needed


@dataclass(frozen=True)
class DesignConfig:
    """What of a recipe decides which parts of runs are used.

    Attributes:
        pretrain: part of the data that pre-training sees.
        fingerprint: segments whose person is to be identified.
        networks: whether the networks of regions are a task.
        phenotypes: whether there are phenotypes.
        windows: windows of all graph encoders of the recipe: segments are the same for every model, so they suit all.
    """

    pretrain: PretrainConfig
    fingerprint: FingerprintConfig
    networks: bool = False
    phenotypes: bool = False
    windows: Windows = ()

    @classmethod
    def of(cls, recipe: ConnectivityRecipe, windows: Windows = ()) -> DesignConfig:
        """Take them from a recipe."""
        return cls(recipe.pretrain, recipe.fingerprint, recipe.networks, bool(recipe.phenotypes), tuple(sorted(set(windows))))

    @property
    def tasks(self) -> list[object]:
        """The tasks that vectors are written for."""
        return [self.fingerprint, self.networks, self.phenotypes]


@dataclass(frozen=True)
class Design:
    """The parts of runs that pre-training and tasks see; made once for all that reads runs.

    A fingerprint's gallery comes from the part that pre-training may see, and what is to be identified from another one.
    `is_transductive` says where pre-training sees it nevertheless.

    Attributes:
        runs: runs of all people.
        config: configuration of the recipe.
    """

    runs: Runs
    config: DesignConfig

    @cached_property
    def people(self) -> list[str]:
        """People that tasks are about: who is not in pre-training, where that names people; else everybody.

        Raises:
            DataError: if pre-training names somebody who has no run, or everybody.
        """
        runs, seen = self.runs, set(self.config.pretrain.subjects)
        if unknown := sorted(seen - set(runs.subjects)):
            raise DataError(f"pretrain.subjects names {', '.join(unknown)}; the data have {', '.join(runs.subjects)}")
        others = [name for name in runs.subjects if name not in seen]
        if not others:
            raise DataError(f"pretrain.subjects names all {len(seen)} people, so nobody is left for the tasks")
        return others

    @cached_property
    def of_tasks(self) -> Runs:
        """Runs of the people that tasks are about."""
        return self.runs.of(self.people) if self.config.pretrain.subjects else self.runs

    @cached_property
    def training(self) -> list[Stretch]:
        """What pre-training sees."""
        pretrain = self.config.pretrain
        chosen = set(pretrain.subjects or self.runs.subjects)
        found = []
        for sessions in (sessions for name, sessions in self.runs.sessions.items() if name in chosen):
            whole = [stretch for session in sessions for stretch in session]
            if pretrain.part == "first_session":
                found += sessions[0]
            elif pretrain.part == "first_half":
                found += [replace(stretch, last=stretch.last // 2) for stretch in whole]
            else:
                found += whole
        return sorted(found, key=lambda stretch: stretch.run)

    @cached_property
    def choices(self) -> dict[str, list[tuple[Stretch, Stretch]]]:
        """Pairs of a gallery part and another part of everybody a task is about: runs of two sessions, first runs first.

        Where pre-training sees everybody's first halves, or half of the people have one session, they are the halves of a run.
        Otherwise people with one session have no pair: a run that is missing does not change the task of the others. Later pairs
        are for people whose first runs cannot be used.
        """
        pretrain, of_people = self.config.pretrain, {name: self.runs.sessions[name] for name in self.people}
        num_single = sum(len(sessions) < 2 for sessions in of_people.values())
        by_half = pretrain.part == "first_half" and not pretrain.subjects
        if by_half or 2 * num_single >= len(of_people):
            return {
                name: [
                    (replace(run, last=run.last // 2), replace(run, first=run.last // 2))
                    for session in sessions
                    for run in session
                ]
                for name, sessions in of_people.items()
            }
        return {
            name: list(product(sessions[0], sessions[1])) if len(sessions) > 1 else [] for name, sessions in of_people.items()
        }

    @cached_property
    def fingerprint(self) -> tuple[list[Stretch], list[Stretch]]:
        """Gallery part and the other part of everybody who has both, the first of `choices`."""
        first = [choices[0] for choices in self.choices.values() if choices]
        return [gallery for gallery, _ in first], [probe for _, probe in first]

    @cached_property
    def is_transductive(self) -> bool:
        """Whether pre-training sees volumes that are to be identified."""
        return self.shows_probes(self.training)

    def shows_probes(self, training: Sequence[Stretch]) -> bool:
        """Whether volumes that are to be identified are among some that are trained on."""
        probes: dict[int, list[Stretch]] = {}
        for probe in self.fingerprint[1]:
            probes.setdefault(probe.run, []).append(probe)
        return any(seen.meets(probe) for seen in training for probe in probes.get(seen.run, ()))
