"""What can be scored: people with a label and its confounds, and mistakes that are named before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiossl.errors import DataError
from audiossl.evaluation.fmri.people import People
from audiossl.evaluation.fmri.phenotypes import check_people
from audiossl.pipelines.connectivity.config import PhenotypeTask
from audiossl.pipelines.connectivity.data import Runs
from audiossl.signals.bold.plain_numbers import is_foreign_number, is_missing, is_number, plain_number
from audiossl.signals.sensors.recording import SensorRecording

MOST_CODES = 20  # different whole numbers, each of two people or more, that `auto` takes for possible codes of classes


@dataclass(frozen=True)
class Labelled:
    """Runs of people who have a label and all confounds.

    Attributes:
        places: of these runs among all.
        labels: of each, text for classes.
        confounds: of each, by name.
        left_out: people without the label or a confound.
    """

    places: list[int]
    runs: list[SensorRecording]
    labels: list[Any]
    confounds: dict[str, list[float]]
    left_out: list[str]

    @classmethod
    def of(cls, runs: Runs, task: PhenotypeTask) -> Labelled:
        """Choose them.

        Raises:
            DataError: if nobody has them, or labels are neither classes nor quantities.
        """
        needed = (task.label, *task.confounds)
        places = [i for i, run in enumerate(runs.recordings) if all(_is_known(run.custom.get(name)) for name in needed)]
        chosen = [runs.recordings[i] for i in places]
        if not chosen:
            said = ", ".join(sorted(runs.recordings[0].custom)) or "nothing"
            raise DataError(f"no run says its {' and '.join(map(repr, needed))}; {runs.recordings[0].id} says {said}")
        people = {run.subject for run in chosen}
        left_out = [name for name in runs.subjects if name not in people]
        confounds = {name: [_number(run, name) for run in chosen] for name in task.confounds}
        return cls(places, chosen, _labels(chosen, task), confounds, left_out)

    @property
    def people(self) -> People:
        """What is known of the people of the runs."""
        return People(self.labels, self.subjects, self.sites, self.families, self.confounds)

    @property
    def subjects(self) -> list[str]:
        """Person of each run."""
        return [run.subject for run in self.runs]

    @property
    def sites(self) -> list[str]:
        """Site of each run."""
        return [str(run.custom.get("site", "")) for run in self.runs]

    @property
    def families(self) -> list[str]:
        """Family of each run; who names none is one."""
        said = [run.custom.get("family") for run in self.runs]
        return [str(family) if _is_known(family) else run.subject for family, run in zip(said, self.runs, strict=True)]


def networks_of(runs: Runs) -> list[str]:
    """The network of each region that all runs have, as the first run says it.

    Raises:
        DataError: if it does not.
    """
    first = runs.recordings[0]
    said = str(first.custom.get("networks") or "").split("|")
    if len(said) != len(first.channels):
        raise DataError(
            f"networks: {first.id} does not say the network of each of its {len(first.channels)} regions; the prepare script has "
            "to"
        )
    of_region = dict(zip(first.channels, said, strict=True))
    return [of_region[region] for region in runs.regions]


def check_phenotypes(runs: Runs, phenotypes: Sequence[PhenotypeTask]) -> None:
    """Say what cannot be scored before hours of training rather than after them.

    Args:
        runs: of the people that tasks are about, those that are used whole.
        phenotypes: of the recipe.

    Raises:
        DataError: if people, labels or confounds are too few.
    """
    for task in phenotypes:
        found = Labelled.of(runs, task)
        check_people(found.people, task.options)


def _is_known(value: object) -> bool:
    if isinstance(value, str):
        return not is_missing(value)
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _number(run: SensorRecording, name: str) -> float:
    value = run.custom[name]
    if isinstance(value, str) and not is_number(value):
        raise DataError(f"{run.id}: expected {name} to be a number, got {value!r}")
    number = plain_number(value) if isinstance(value, str) else float(value)
    if not math.isfinite(number):
        raise DataError(f"{run.id}: expected {name} to be a finite number, got {number}")
    return number


def _labels(runs: list[SensorRecording], task: PhenotypeTask) -> list[Any]:
    """Labels of runs, text for classes and floats for a quantity.

    Raises:
        DataError: if `auto` would have to guess: numbers that may be codes of classes, text that may be numbers, or some of each.
    """
    values = [run.custom[task.label] for run in runs]
    texts = [value for value in values if isinstance(value, str)]
    if task.kind == "class":
        return [value if isinstance(value, str) else f"{value:g}" for value in values]
    if task.kind == "quantity":
        return [_number(run, task.label) for run in runs]
    if texts and len(texts) < len(values):
        number = next(value for value in values if not isinstance(value, str))
        raise DataError(f"{task.label} is text for some and a number for others, such as {texts[0]!r} and {number}: set its kind")
    if texts:
        _ask_about_texts(texts, task.label)
        return texts
    of_people = {run.subject: float(value) for run, value in zip(runs, values, strict=True)}
    different = np.unique(list(of_people.values()))
    may_be_codes = bool((different == np.round(different)).all()) and 2 * len(different) <= min(2 * MOST_CODES, len(of_people))
    if len(different) == 2 or may_be_codes:
        shown = [f"{value:g}" for value in different]
        raise DataError(f"{task.label} is {', '.join(shown[:-1])} or {shown[-1]}: set kind: class or quantity")
    return [_number(run, task.label) for run in runs]


def _ask_about_texts(texts: list[str], label: str) -> None:
    numbers = [text for text in texts if is_number(text) or is_foreign_number(text)]
    if len(numbers) == len(texts) and not all(text.isdecimal() for text in texts):
        raise DataError(f"{label} is text that looks like numbers, such as {numbers[0]!r}: set kind: class or quantity")
