"""Labels of a connectivity recipe, checked for all of its models before one is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audiossl.errors import DataError
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, PhenotypeTask
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design
from audiossl.pipelines.connectivity.parts import whole_runs
from audiossl.pipelines.connectivity.rows import GraphRow, design_of, make_rows
from audiossl.pipelines.connectivity.tasks import Labelled, check_phenotypes


@dataclass(frozen=True)
class Checks:
    """What every model of a recipe will be scored on.

    Attributes:
        rows: of the recipe.
        phenotypes: of the recipe.
        done: whether runs were checked already.
    """

    rows: Sequence[GraphRow]
    phenotypes: Sequence[PhenotypeTask]
    done: list[bool] = field(default_factory=list, compare=False, repr=False)

    def once(self, design: Design) -> None:
        """Check before the first model that is trained, for all of them.

        Raises:
            ConfigError or DataError: naming the phenotype or the model, where it is about one.
        """
        if not self.done:
            self.check(design)
            self.done.append(True)

    def check(self, design: Design) -> None:
        """Check labels, encoders that are brought along, and what each model can be scored on."""
        for task in self.phenotypes:
            found = Labelled.of(design.of_tasks, task)
            if len(set(found.labels)) < 2:
                people = len(set(found.subjects))
                raise DataError(f"the {task.label} of all {people} people is {found.labels[0]!r}: there is nothing to tell apart")
        for row in self.rows:
            row.check_place()
        for row in self.rows:
            row.check(design)
        if self.phenotypes:
            check_phenotypes(whole_runs(design)[0], self.phenotypes)


def check_labels(recordings: Path, config: ConnectivityRecipe) -> None:
    """Check what every model of the recipe will be scored on.

    Raises:
        ConfigError or DataError: naming the phenotype or the model, where it is about one.
    """
    rows = make_rows(config)
    Checks(tuple(rows.values()), config.phenotype_tasks).check(Design(Runs.open(recordings), design_of(config, rows)))


def check_prepared(config: ConnectivityRecipe, output: Path) -> None:
    """Check the recordings that a run made already."""
    check_labels(output / "recordings" / "set", config)
