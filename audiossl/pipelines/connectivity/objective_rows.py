"""Rows that train a graph encoder, and one with the encoder as it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from audiossl.errors import ConfigError, DataError
from audiossl.models.connectivity_encoder import ConnectivityConfig, ConnectivityEncoder
from audiossl.objectives.connectivity_labels import ConnectivityLabels
from audiossl.objectives.kinds import GRAPH_OBJECTIVES, find_objective, read_config
from audiossl.objectives.objective import Needs, Objective, check_needs
from audiossl.pipelines.connectivity.batches import RunCrops
from audiossl.pipelines.connectivity.config import ConnectivityRecipe, GraphModel
from audiossl.pipelines.connectivity.data import Runs
from audiossl.pipelines.connectivity.design import Design, Windows
from audiossl.pipelines.connectivity.parts import Part, training_parts
from audiossl.pipelines.connectivity.readers import Reader, of_encoder
from audiossl.pipelines.connectivity.rows import GraphRow
from audiossl.pipelines.connectivity.seen_before import check_start
from audiossl.pipelines.origin import CONTINUES
from audiossl.pipelines.start import Start
from audiossl.pipelines.table_row import ModelSection
from audiossl.signals.sensors.recording import Rejected
from audiossl.stage import Names
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit
from audiossl.world import World


@dataclass(frozen=True)
class GraphEncoderRow(GraphRow):
    """Base of rows with a graph encoder of the recipe's sizes.

    Attributes:
        dataset: name of the data set, which the encoder is saved with.
        encoder: sizes in the recipe; those of the model are put in their place, see `sizes`.
        training: optimisation.
        batch_runs: runs in a batch.
    """

    dataset: str
    encoder: ConnectivityConfig
    training: TrainingConfig
    batch_runs: int

    @classmethod
    def of(cls, name: str, model: GraphModel, recipe: ConnectivityRecipe) -> GraphEncoderRow:
        """Take the sections of a recipe that training reads.

        Raises:
            ConfigError: for unknown options or sizes, or a crop without a window.
        """
        options = cls.read_options(name, model)
        row = cls(name, model, options, recipe.dataset, recipe.encoder, recipe.training, recipe.batch_runs)
        if recipe.pretrain.crop < row.sizes.window:
            raise ConfigError(
                f"pretrain.crop={recipe.pretrain.crop} is less than the {row.sizes.window} volumes of a window of models.{name}: "
                "a crop holds none"
            )
        return row

    @property
    def sizes(self) -> ConnectivityConfig:
        """Sizes of its encoder."""
        return read_config(ConnectivityConfig, {**asdict(self.encoder), **self.model.encoder}, f"models.{self.name}.encoder")

    @property
    def windows(self) -> Windows:
        """Those of its sizes."""
        return ((self.sizes.window, self.sizes.stride, 1),)

    @property
    def windows_needed(self) -> int:
        """How many windows of a crop must keep half of their volumes."""
        return 1

    @property
    def of_dataset(self) -> bool:
        """An encoder is saved with the name."""
        return True

    def crop(self, design: Design) -> int:
        """Volumes of a training example."""
        return design.config.pretrain.crop

    def entries(self) -> list[tuple[str | Names, object]]:
        """The model, the encoder, training, and the size of a batch."""
        sections = [("encoder", self.encoder), ("training", self.training), ("batch_runs", self.batch_runs)]
        return [*super().entries(), *sections]

    def check(self, design: Design) -> None:
        """Refuse segments that hold no window, and pre-training on what is to be identified.

        Raises:
            ConfigError: if a segment is shorter than a window.
            DataError: if pre-training would see what is to be identified without `part=all`, or with labels.
        """
        volumes, part = design.config.fingerprint.volumes, design.config.pretrain.part
        if volumes and not design.runs.are_matrices:
            window = self.sizes.window
            if volumes < window:
                raise ConfigError(
                    f"fingerprint.volumes={volumes} is less than encoder.window={window}, a segment holds no window"
                )
            if design.is_transductive and not self.may_see_probes(part):
                raise DataError(
                    f"pretrain.part={part} would train on the volumes that are to be identified: choose first_half, or "
                    "first_session where everybody has two; for models without labels part=all says that this is wanted"
                )
        super().check(design)

    def may_see_probes(self, part: str) -> bool:
        """Whether pre-training on a part that is to be identified is allowed: it is asked for, and has no labels."""
        return part == "all"

    def left_out(self, design: Design) -> list[Rejected]:
        """Runs without a crop."""
        return self.parts(design)[1]

    def parts(self, design: Design) -> tuple[list[Part], list[Rejected]]:
        """What pre-training sees of every run, and the runs that have no crop for it."""
        window, stride, _ = self.windows[0]
        return training_parts(design, self.crop(design), ((window, stride, self.windows_needed),))

    def draw_encoder(self, runs: Runs) -> ConnectivityEncoder:
        """Draw an encoder for the regions of runs from torch's global generator."""
        return ConnectivityEncoder(runs.regions, runs.tr, self.sizes)

    def crops(self, design: Design, seed: int) -> RunCrops:
        """Batches of crops."""
        return RunCrops(self.parts(design)[0], self.crop(design), self.batch_runs, 1 / design.runs.tr, seed)

    def before(self, training: str) -> Mapping[str, object]:
        """What the encoder was trained on before this training; empty for one that is drawn."""
        return {}

    def train(self, objective: Objective, crops: RunCrops, design: Design, seed: int, out: Path) -> None:
        """Train an objective and save its encoder; both are then in evaluation mode on the CPU."""
        fit(objective, crops, replace(self.training, seed=seed), out / "pretrain")
        seen: dict[str, object] = {
            "dataset": self.dataset, **asdict(design.config.pretrain), "steps": self.training.max_steps, "seed": seed,
        }  # fmt: skip
        if before := self.before(out.name):
            seen[CONTINUES] = before
        if len(design.runs.repetition_times) > 1:
            seen["repetition_times"] = list(design.runs.repetition_times)
        keep(objective, seen, out)


@dataclass(frozen=True)
class GraphObjectiveRow(GraphEncoderRow):
    """The encoder of an objective of `GRAPH_OBJECTIVES`, or from outside the package.

    Attributes:
        start: weights that training starts from; None for drawn ones.
    """

    trained = True

    start: Start | None = None

    @classmethod
    def of(cls, name: str, model: GraphModel, recipe: ConnectivityRecipe) -> GraphObjectiveRow:
        """Compare what the objective needs with what crops bring.

        Raises:
            ConfigError: naming what they do not bring.
        """
        row = cast(GraphObjectiveRow, super().of(name, model, recipe))
        check_needs(f"models.{name}: {model.kind}", row.objective.needs, Needs.PARTNER, "crops of BOLD runs")
        return replace(row, start=Start.of(recipe.start, recipe.norm_only, name) if cls.trained else None)

    def entries(self) -> list[tuple[str | Names, object]]:
        """What training starts from as well, where it is said."""
        return [*super().entries(), *([("start", self.start)] if self.start else [])]

    def begin(self, runs: Runs, out: Path) -> ConnectivityEncoder:
        """Draw an encoder, with the weights that training starts from, if any; `out` is the folder of the training."""
        encoder = self.draw_encoder(runs)
        if self.start is not None:
            self.start.begin(encoder, out.name)
        return encoder

    def before(self, training: str) -> Mapping[str, object]:
        """What the encoder that it starts from says."""
        return {} if self.start is None else self.start.seen(training)

    def check(self, design: Design) -> None:
        """Refuse a start that saw people, or volumes, that are to be new.

        Raises:
            ConfigError, DataError: as without one.
        """
        super().check(design)
        if self.start is not None:
            for origin in self.start.origins():
                check_start(self.start.name, origin, self.dataset, design)

    @classmethod
    def read_options(cls, name: str, model: ModelSection) -> object:
        """Read options as those of the objective."""
        return read_config(find_objective(model.kind, GRAPH_OBJECTIVES).Config, model.options, f"models.{name}.options")

    def may_see_probes(self, part: str) -> bool:
        """Whether pre-training may see what is to be identified: not where it is told which crops are of one person."""
        return super().may_see_probes(part) and Needs.PARTNER not in self.objective.needs

    def crops(self, design: Design, seed: int) -> RunCrops:
        """Batches of crops, with partners of the same person where the objective needs them."""
        if Needs.PARTNER not in self.objective.needs:
            return super().crops(design, seed)
        parts, _ = self.parts(design)
        people = [design.runs.recordings[part.stretch.run].subject for part in parts]
        return RunCrops(parts, self.crop(design), self.batch_runs, 1 / design.runs.tr, seed, subjects=people)

    @property
    def objective(self) -> type[Objective]:
        """The class of the objective: one of graphs, or one of windows, whose encoder may be any."""
        return find_objective(self.model.kind, GRAPH_OBJECTIVES)

    @property
    def windows_needed(self) -> int:
        """What the objective asks for; one where it does not say."""
        asks = getattr(self.objective, "windows_needed", None)
        return 1 if asks is None else asks(self.options)

    def sources(self) -> Sequence[type]:
        """The row and the objective."""
        return (type(self), self.objective)

    def read(self, design: Design, seed: int, out: Path) -> Reader:
        """Train the objective and read its encoder."""
        objective = self.objective(self.begin(design.runs, out), self.options)
        self.train(objective, self.crops(design, seed), design, seed, out)
        return of_encoder(objective.encoder)


class SupervisedRow(GraphEncoderRow):
    """An encoder trained to identify the person of half a crop, the one label that every set has."""

    trained = True

    def crop(self, design: Design) -> int:
        """Half of that of others."""
        return design.config.pretrain.crop // 2

    def may_see_probes(self, part: str) -> bool:
        """Never: it has seen who is to be identified."""
        return False

    def read(self, design: Design, seed: int, out: Path) -> Reader:
        """Train it and read its encoder."""
        encoder = self.draw_encoder(design.runs)
        parts, _ = self.parts(design)
        names = [design.runs.recordings[part.stretch.run].subject for part in parts]
        people = list(dict.fromkeys(names))
        labels = [people.index(name) for name in names]
        crops = RunCrops(parts, self.crop(design), self.batch_runs, 1 / design.runs.tr, seed, labels=labels)
        self.train(ConnectivityLabels(encoder, len(people)), crops, design, seed, out)
        return of_encoder(encoder)


def keep(objective: Objective, seen: Mapping[str, object], out: Path) -> None:
    """Save the encoder of an objective with what it was trained on."""
    objective.eval().cpu()
    if World.join().is_first:
        objective.encoder.save(out / "encoder", dict(seen))
