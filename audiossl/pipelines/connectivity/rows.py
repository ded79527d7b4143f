"""Rows of the table of a connectivity recipe: what a kind of row reads, and how it turns series into vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from audiossl.errors import ConfigError
from audiossl.evaluation.fmri.folds import Steps
from audiossl.kinds import find_kind, import_place
from audiossl.objectives.kinds import GRAPH_OBJECTIVES, find_objective
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, GraphModel
from audiossl.pipelines.connectivity.design import Design, DesignConfig, Windows
from audiossl.pipelines.connectivity.parts import segments
from audiossl.pipelines.connectivity.readers import Reader
from audiossl.pipelines.connectivity.row_kinds import OBJECTIVE_ROW, ROWS
from audiossl.pipelines.connectivity.tasks import networks_of
from audiossl.pipelines.connectivity.times import warn_of_several_times
from audiossl.pipelines.table_row import TableRow
from audiossl.signals.sensors.recording import Rejected

FINGERPRINT, NETWORKS, PHENOTYPES = "fingerprint", "networks", "phenotypes"


@dataclass(frozen=True)
class GraphRow(TableRow):
    """A model of the table: base of the kinds of rows; a subclass defines `read`.

    Attributes:
        tasks: tasks that it can be scored on.
        matrices: whether it also reads matrices that come without series.
        model: section of the recipe.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({FINGERPRINT, NETWORKS, PHENOTYPES})
    matrices: ClassVar[bool] = False

    model: GraphModel
    options: Any

    @classmethod
    def of(cls, name: str, model: GraphModel, recipe: ConnectivityRecipe) -> GraphRow:
        """Take what this kind reads of a recipe.

        Raises:
            ConfigError: for options that it does not have.
        """
        return cls(name, model, cls.read_options(name, model))

    @property
    def windows(self) -> Windows:
        """Windows of its encoder, which segments have to hold."""
        return ()

    def read(self, design: Design, seed: int, out: Path) -> Reader:
        """Train what is to be trained, and say how series become vectors.

        Args:
            design: runs, and the parts of them that may be used.
            seed: seed of everything random; torch's global generator is seeded with it as well.
            out: folder for what training leaves.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no read(design, seed, out) -> Reader")

    def check(self, design: Design) -> None:
        """Say what cannot be scored before hours of training rather than after them.

        Raises:
            ConfigError: if it does not read matrices, and these are, or a segment is shorter than a window.
            DataError: if pre-training would see what is to be identified, or runs are too few or too short.
        """
        config = design.config
        if design.runs.are_matrices:
            if not self.matrices or config.fingerprint.volumes:
                raise ConfigError(
                    "these data are matrices without series: use models of kind raw_fc or brainnetcnn, and fingerprint.volumes=0"
                )
        elif config.fingerprint.volumes:
            next(segments(design))
        if config.networks:
            networks_of(design.runs)

    def check_place(self) -> None:
        """Refuse an encoder that is not where the recipe says."""

    def warn_of_times(self, design: Design) -> None:
        """Say where runs have several repetition times, so that volumes are other times in them."""
        window = max((window for window, _, _ in self.windows), default=0)
        lengths = {"windows (encoder.window)": window, "segments (fingerprint.volumes)": design.config.fingerprint.volumes}
        warn_of_several_times(design.runs, lengths)

    def left_out(self, design: Design) -> list[Rejected]:
        """Runs that its training does without."""
        return []

    def phenotype_steps(self) -> Steps:
        """Steps of its own that are fitted inside the folds of phenotypes."""
        return Steps()

    def origin(self) -> Mapping[str, object] | None:
        """What a given encoder was trained on, empty if that is not recorded; None for other rows."""
        return None


def make_rows(recipe: ConnectivityRecipe) -> dict[str, GraphRow]:
    """Make the rows of a recipe, by the names of its models.

    Raises:
        ConfigError: naming the model with an unknown kind or option, or without a task.
    """
    asked = {FINGERPRINT: recipe.fingerprint.volumes, NETWORKS: recipe.networks, PHENOTYPES: bool(recipe.phenotypes)}
    rows = {}
    for name, model in recipe.models.items():
        rows[name] = find_row(name, model).of(name, model, recipe)
        if not any(asked[task] for task in rows[name].tasks):
            known = " and ".join(sorted(rows[name].tasks))
            raise ConfigError(f"models.{name}: models of kind {model.kind} predict {known} only, and none is asked for")
    return rows


def design_of(recipe: ConnectivityRecipe, rows: Mapping[str, GraphRow]) -> DesignConfig:
    """What decides which parts of runs are used, with the windows of all rows."""
    return DesignConfig.of(recipe, tuple(window for row in rows.values() for window in row.windows))


def find_row(name: str, model: GraphModel) -> type[GraphRow]:
    """Find the class of a model's kind: a kind of row, an objective on graphs, or either from outside the package.

    Raises:
        ConfigError: if there is none, or it is neither a row nor an objective.
    """
    try:
        found = find_kind(model.kind, {**GRAPH_OBJECTIVES, **ROWS}, "kind of row")
        if isinstance(found, type) and issubclass(found, GraphRow):
            return found
        find_objective(model.kind, GRAPH_OBJECTIVES)
    except ConfigError as error:
        raise ConfigError(f"models.{name}.kind: {error}") from error
    return import_place(OBJECTIVE_ROW, "kind of row")
