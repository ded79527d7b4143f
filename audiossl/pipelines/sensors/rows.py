"""Rows of the table of a sensor recipe: what a kind of row reads, and how it represents windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Float, Shaped
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.kinds import find_kind, import_place
from audiossl.models.encoder import Encoder
from audiossl.objectives.kinds import WINDOW_OBJECTIVES, find_objective
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import SensorFold, SensorFolds
from audiossl.pipelines.sensors.row_kinds import OBJECTIVE_ROW, ROWS
from audiossl.pipelines.table_row import TableRow
from audiossl.signals.sensors.recording import SensorRecording
from audiossl.stage import Names

Vectors = dict[str, Float[Tensor, "N _"]]
Answers = dict[str, Shaped[Tensor, "T *K"]]


@dataclass(frozen=True)
class Row(TableRow):
    """A model of the table: base of the kinds of rows.

    A subclass defines `features(fold, seed)`, or `represent` where it gives several sets of features or answers of its own. It
    reads nothing of a recipe but its fields, which is why they are all that decides its result; one that reads more than its
    model and options adds fields, and overrides `of` and `entries`.

    Attributes:
        pretrained: whether it pre-trains an objective, so that `untrained` and `finetune` have a meaning.
        pools: whether its features are pooled frames, so that `pooling` has a meaning.
        keeps_scale: whether the scales of its features were learned, so that probes must not standardise columns.
        model: section of the recipe.
    """

    pretrained: ClassVar[bool] = False
    pools: ClassVar[bool] = False
    keeps_scale: ClassVar[bool] = False

    model: SensorModel
    options: Any

    @classmethod
    def of(cls, name: str, model: SensorModel, recipe: SensorsRecipe) -> Row:
        """Take what this kind reads of a recipe.

        Raises:
            ConfigError: for options that it does not have.
        """
        return cls(name, model, cls.read_options(name, model))

    @classmethod
    def reads_labels(cls, model: SensorModel) -> bool:
        """Whether a row of this section trains on labels; no, unless a kind says otherwise."""
        return False

    @property
    def rows(self) -> list[str]:
        """Names of the rows that it gives."""
        return [self.name]

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of other models of the recipe whose encoders it takes; their stages come first."""
        return ()

    def next_to(self, others: Mapping[str, Row]) -> Row:
        """The row with those that it reads among the others of the recipe.

        Raises:
            ConfigError: if one is not there, or has no encoder.
        """
        return self

    def reading(self, folders: Mapping[str, Path]) -> Row:
        """The row with the folders of the stages of those that it reads, by their names."""
        return self

    def check_recording(self, recording: SensorRecording) -> None:
        """Refuse recordings like this one, before any row is worked on."""

    def check(self, out: Path, folds: SensorFolds) -> None:
        """Refuse a division of the people, before any fold is represented; `out` is the folder of the stage."""

    def represent(self, fold: SensorFold, seed: int, out: Path) -> tuple[Vectors, Answers]:
        """Represent the labelled windows of a fold, `fold.task.rows`.

        Args:
            fold: windows, sides and task.
            seed: seed of everything random; torch's global generator is seeded with it as well.
            out: folder for what training leaves.

        Returns:
            Features by variant (empty name: the row itself), and answers to the test windows by `VARIANT@FRACTION`.
        """
        return {"": self.features(fold, seed)}, {}

    def features(self, fold: SensorFold, seed: int) -> Float[Tensor, "N D"]:
        """Features of the labelled windows of a fold, in the order of `fold.task.rows`."""
        raise NotImplementedError(f"{type(self).__name__} defines neither features(fold, seed) nor represent(fold, seed, out)")

    def network(self, fold: SensorFold, seed: int, out: Path) -> Encoder | None:
        """The encoder of windows itself, as it is drawn, or as `represent` left it in `out`; None where features are no frames.

        Torch's global generator is seeded as for `represent`.
        """
        return None

    def entries(self) -> list[tuple[str | Names, object]]:
        """The model; next to it earlier runs had the weights that only some rows read."""
        return [*super().entries(), ("its weights", None)]


def make_rows(recipe: SensorsRecipe) -> dict[str, Row]:
    """Make the rows of a recipe, by the names of its models; those that read others come last.

    Raises:
        ConfigError: naming the model with an unknown kind or option, or two with rows of one name.
    """
    rows: dict[str, Row] = {}
    owners: dict[str, str] = {}
    for name, model in recipe.models.items():
        kind = find_row(name, model)
        if not kind.pretrained and (model.finetune or model.untrained):
            said = "finetune" if model.finetune else "untrained"
            raise ConfigError(f"models.{name}.{said}: it is for models that are pre-trained, which {model.kind} is not")
        if not kind.pools and model.pooling != "mean":
            raise ConfigError(f"models.{name}.pooling: the features of {model.kind} are no pooled frames, so leave it out")
        rows[name] = kind.of(name, model, recipe)
        for row in rows[name].rows:
            if row in owners:
                raise ConfigError(
                    f"models {owners[row]} and {name} both give a row '{row}'; rename one of them, or leave the mapper out"
                )
            owners[row] = name
    rows = {name: row.next_to(rows) for name, row in rows.items()}
    return dict(sorted(rows.items(), key=lambda item: bool(item[1].reads)))


def find_row(name: str, model: SensorModel) -> type[Row]:
    """Find the class of a model's kind: a kind of row, an objective, or either from outside the package.

    Raises:
        ConfigError: if there is none, or it is neither a row nor an objective.
    """
    try:
        found = find_kind(model.kind, {**WINDOW_OBJECTIVES, **ROWS}, "kind of row")
        if isinstance(found, type) and issubclass(found, Row):
            return found
        find_objective(model.kind, WINDOW_OBJECTIVES)
    except ConfigError as error:
        raise ConfigError(f"models.{name}.kind: {error}") from error
    return import_place(OBJECTIVE_ROW, "kind of row")
