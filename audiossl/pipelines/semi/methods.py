"""Rows of semi-supervised methods: what decides them, and how they learn from one draw of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.files import whole_file, write_json
from audiossl.models.encoder import Encoder
from audiossl.models.frozen_frames import FrozenFrames
from audiossl.objectives.kinds import SEMI_OBJECTIVES, find_objective, read_config
from audiossl.objectives.semi_objective import SemiObjective
from audiossl.objectives.window_batch import WindowBatch
from audiossl.pipelines.semi.batches import SemiBatches
from audiossl.pipelines.semi.config import PairConfig, SemiMethod, SemiRecipe
from audiossl.pipelines.semi.data import Targets, neighbours, starts_of, targets_of, test_rows
from audiossl.pipelines.semi.labels import Draw, read_draws
from audiossl.pipelines.semi.models import all_windows, grid_of, moved_frames, network_of, read_views, turned_device
from audiossl.pipelines.semi.pool import PoolConfig, of_training, rows_of_pool, scale_of
from audiossl.pipelines.semi.pseudo_quality import pseudo_quality
from audiossl.pipelines.semi.views import FeatureViews, SignalViews, ViewConfig, ViewSource
from audiossl.pipelines.sensors.blocks import BLOCK
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFold, SensorFolds
from audiossl.pipelines.sensors.models import folder_name
from audiossl.pipelines.sensors.rows import Row
from audiossl.pipelines.table_row import TableRow
from audiossl.seeds import derive_seed
from audiossl.stage import Names, StageConfig
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit
from audiossl.world import World

ANSWERS, PSEUDO = "answers.safetensors", "pseudo.json"


@dataclass(frozen=True)
class MethodRow(TableRow):
    """A semi-supervised method on frozen features, or end to end.

    Attributes:
        on: the model that it reads.
        views, pairs, training, pool: sections of the recipe.
        frames: whether frames are classified.
    """

    trained = True

    model: SemiMethod
    on: Row
    views: ViewConfig
    pairs: PairConfig
    training: TrainingConfig
    pool: PoolConfig
    frames: bool

    @classmethod
    def of(cls, name: str, method: SemiMethod, recipe: SemiRecipe, on: Row) -> MethodRow:
        """Take what learning reads of a recipe.

        Raises:
            ConfigError: for options that the method does not have, or a class that does not learn from few labels.
        """
        kind = find_objective(method.kind, SEMI_OBJECTIVES)
        if not issubclass(kind, SemiObjective):
            raise ConfigError(f"methods.{name}.kind: expected a subclass of audiossl.objectives.SemiObjective, got {method.kind}")
        options = read_config(kind.Config, method.options, f"methods.{name}.options")
        training = replace(recipe.learning, lr=method.lr or recipe.learning.lr)
        pool = method.pool or recipe.pool
        return cls(name, method, options, on, recipe.views, recipe.pairs, training, pool, recipe.frames)

    @property
    def objective(self) -> type[SemiObjective]:
        """The class of the method."""
        return find_objective(self.model.kind, SEMI_OBJECTIVES)  # pyright: ignore[reportReturnType]

    def entries(self) -> list[tuple[str | Names, object]]:
        """The method, and the sections that it reads."""
        return [
            (f"methods.{self.name}", replace(self.model, pool=self.pool)),
            ("views", self.views),
            ("pairs", self.pairs),
            ("learning", self.training),
            ("frames", self.frames),
        ]

    def sources(self) -> Sequence[type]:
        """The row and the method."""
        return (type(self), self.objective)


@dataclass(frozen=True)
class MethodConfig(StageConfig):
    """What decides the answers of a method: the row, and what all share."""

    row: MethodRow
    folds: FoldsConfig

    def decides(self) -> list[object]:
        """The folds, and what the row reads."""
        return [*self.folds.decides(), *self.row.decides()]

    def names(self) -> Names:
        """Names of these."""
        return (*self.folds.names(), *self.row.names())


def learn(out: Path, inputs: Mapping[str, Path], config: MethodConfig) -> None:
    """Write the answers of a method to the test windows for every draw of labels; finished draws of a broken run are kept."""
    row, folds = config.row, SensorFolds(inputs["recordings"] / "set", config.folds)
    draws = read_draws(inputs["draws"])
    for number in range(len(folds)):
        fold = folds.open(number)
        learner: Learner | None = None
        for draw in draws:
            folder = out / draw_folder(draw)
            if draw.fold != number or (folder / PSEUDO).is_file():
                continue
            learner = learner or Learner(folds, fold, row, inputs, config.folds)
            learner.learn(draw, folder)


def draw_folder(draw: Draw) -> str:
    """Folder of a draw below a method's stage."""
    return f"fold{draw.fold}-{draw.budget}-draw{draw.number}"


class Learner:
    """A method on a fold."""

    def __init__(
        self, folds: SensorFolds, fold: SensorFold, row: MethodRow, inputs: Mapping[str, Path], config: FoldsConfig
    ) -> None:
        self.fold, self.row, self.inputs, self.config = fold, row, inputs, config
        self.windows = all_windows(fold)
        grid = grid_of(self._network(0), fold) if row.frames else None
        self.hop = round(fold.windows.rate / grid.rate) if grid else 0
        self.targets: Targets = targets_of(folds, fold, grid)
        self.test = test_rows(fold, self.targets)
        self.pool = rows_of_pool(
            row.pool, self.targets.y.max(1).values, fold.windows.subjects, fold.sides, (config.seed, fold.number)
        )
        self.read: dict[tuple[int, float], Tensor] = {}
        self.place = {id_: place for place, id_ in enumerate(fold.windows.ids)}

    def learn(self, draw: Draw, folder: Path) -> None:
        """Learn from the labels of a draw, and answer the test windows."""
        row, seed = self.row, derive_seed(self.config.seed, draw.fold, draw.budget, draw.number, "learning") % 2**31
        labelled = torch.tensor([self.place[id_] for id_ in draw.train])
        source, encoder, pool_source = self._source(draw, labelled)
        torch.manual_seed(derive_seed(seed, "head"))
        objective = row.objective(encoder, len(self.targets.classes), row.options, frame_wise=row.frames)  # pyright: ignore[reportArgumentType]
        batches = SemiBatches(source, self.targets.y, labelled, self.pool, config=row.pairs, seed=seed, pool_source=pool_source)
        fit(objective, batches, replace(row.training, seed=seed), folder, quiet=True)
        objective.eval().cpu()
        if not World.join().is_first:
            return
        quality = pseudo_quality(answers_of(objective, pool_source or source, self.pool), self.targets.y[self.pool])
        with whole_file(folder / ANSWERS) as partial:
            save_file({"classes": answers_of(objective, source, self.test).argmax(2)}, partial)
        write_json(folder / PSEUDO, {**quality, "labelled": len(labelled), "pool": len(self.pool)})

    def _network(self, draw: int) -> Encoder:
        seeds, fold = self.config.seeds, self.fold
        stage = self.inputs[f"model_{self.row.on.name}"]
        seed = seeds[draw % len(seeds)] if self.row.on.random else seeds[0]
        return network_of(self.row.on, fold, seed, stage / folder_name(seed, fold.number))

    def _source(self, draw: Draw, labelled: Int[Tensor, "L"]) -> tuple[ViewSource, Encoder, ViewSource | None]:
        """Views of windows, the encoder of these, and views of a pool of another device."""
        row, degrees = self.row, self.row.pool.device
        if row.model.end_to_end:
            network = self._network(draw.number)
            turned = turned_device(self.windows, degrees, row.views, self.config.seed)
            sources = [
                SignalViews(windows, row.views, row.pairs.strong, network.alignment, turn=row.frames)
                for windows in ([self.windows, turned] if degrees else [self.windows])
            ]
            return sources[0], network, sources[1] if degrees else None
        features = [self._features(draw.number, device) for device in ([0.0, degrees] if degrees else [0.0])]
        sources = [self._feature_views(views) for views in features]
        counts, pool = sources[0].about.lengths, of_training(self.pool, self.windows.subjects, self.fold.sides)
        scale = scale_of([features[0][0, labelled], features[-1][0, pool]], [counts[labelled], counts[pool]])
        return sources[0], FrozenFrames(*scale), sources[1] if degrees else None

    def _features(self, draw: int, degrees: float) -> Float[Tensor, "V N D T"]:
        """Features of a draw, which others with the same seed of the encoder share."""
        key = draw % len(self.config.seeds), degrees
        if key not in self.read:
            folder = self.inputs[f"views_{self.row.on.name}"]
            self.read[key] = read_views(folder, self.config.seeds, key[0], self.fold.number, degrees)
        return self.read[key]

    def _feature_views(self, features: Float[Tensor, "V N D T"]) -> FeatureViews:
        row, windows = self.row, self.windows
        if not row.frames:
            lengths = torch.ones_like(windows.lengths)
            about = WindowBatch(features[0], lengths, windows.ids, windows.subjects, 1.0)
            return FeatureViews(features, about, row.views, row.pairs.strong)
        hop = self.hop
        about = WindowBatch(features[0], -(-windows.lengths // hop), windows.ids, windows.subjects, windows.rate / hop)
        size = windows.signal.shape[2]
        pairs = neighbours(starts_of(self.fold.windows), self.fold.windows.recording, self.pool, size=size, hop=hop)
        moves = moved_frames(row.views, windows, hop)
        if pairs is None:
            return FeatureViews(features, about, row.views, row.pairs.strong, moves=moves)
        return FeatureViews(features, about, row.views, row.pairs.strong, moves=moves, neighbours=pairs[0], shift=pairs[1])


def answers_of(objective: SemiObjective, source: ViewSource, rows: Int[Tensor, "M"]) -> Float[Tensor, "M T K"]:
    """Logarithms of probabilities of the classes of windows, or of their frames."""
    return torch.cat([objective.answer(source.plain(block)) for block in rows.split(BLOCK)])
