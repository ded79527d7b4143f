"""The semi-supervised pipeline as stages: those of a sensor recipe up to its models, then draws, views, methods and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.pipelines.semi.config import SemiRecipe
from audiossl.pipelines.semi.data import ids_by_class, targets_of
from audiossl.pipelines.semi.labels import LabelBudgets, draw_labels, write_draws
from audiossl.pipelines.semi.methods import MethodConfig, MethodRow, learn
from audiossl.pipelines.semi.models import ViewsConfig, encode_views, grid_of
from audiossl.pipelines.semi.report import ReportConfig, report_few_labels
from audiossl.pipelines.semi.scores import EvaluateConfig, evaluate_few_labels
from audiossl.pipelines.sensors.data import FoldsConfig, SensorFolds
from audiossl.pipelines.sensors.rows import make_rows
from audiossl.pipelines.sensors.stages import SetConfig, model_stage, source_of, stage_of, write_set
from audiossl.recipe import Stage
from audiossl.stage import StageConfig


@dataclass(frozen=True)
class DrawsConfig(StageConfig):
    """What decides which labels may be read.

    Attributes:
        labels: budgets and number of draws.
        folds: windows, sides and labels.
        frames: whether frames are classified.
        encoder: sizes, by which frames lie.
    """

    labels: LabelBudgets
    folds: FoldsConfig
    frames: bool
    encoder: ResNet1dConfig


def stages(config: SemiRecipe, folder: Path) -> list[Stage]:
    """Lay out the stages of a recipe; `folder` is where its YAML and its prepare script are.

    Raises:
        ConfigError: for a missing script, or a model or method with an unknown kind or options.
    """
    source = source_of(config, folder)
    rows, folds = make_rows(config), FoldsConfig.of(config)
    for name, model in config.models.items():
        if type(rows[name]).reads_labels(model):
            raise ConfigError(
                f"models.{name}: it reads labels; here models are represented without, and methods learn from few: say "
                f"methods={{{name}: {{kind: supervised, end_to_end: true}}}}"
            )
        if model.pooling != "mean" or rows[name].keeps_scale:
            raise ConfigError(
                f"models.{name}: here frames are pooled by their mean, and probes standardise features; leave pooling out, and "
                f"neighbour_whitening to recipes of method sensors"
            )
    methods = {name: MethodRow.of(name, method, config, rows[method.on]) for name, method in config.methods.items()}
    frozen = [row.on.name for row in methods.values() if not row.model.end_to_end]
    viewed = [name for name in rows if config.frames or name in frozen]
    models = [stage_of(name) for name in rows]
    views = [f"views_{name}" for name in viewed]
    learned = [f"method_{name}" for name in methods]
    scored = EvaluateConfig(
        config.dataset, list(rows), list(methods), config.labels.budgets, folds, config.frames, config.encoder,
        [name for name, row in methods.items() if row.pool.test], config.pool,
    )  # fmt: skip
    return [
        Stage("recordings", write_set, SetConfig(source), data=source.data),
        *(model_stage(row, folds, tuple(rows.values()), config.dataset) for row in rows.values()),
        Stage("draws", draw_all, DrawsConfig(config.labels, folds, config.frames, config.encoder), ("recordings",)),
        *(
            Stage(
                f"views_{name}",
                encode_views,
                ViewsConfig(rows[name], folds, config.views, config.frames, _devices(name, methods)),
                ("recordings", stage_of(name)),
            )
            for name in viewed
        ),
        *(
            Stage(
                f"method_{name}",
                learn,
                MethodConfig(row, folds),
                (
                    "recordings",
                    "draws",
                    stage_of(row.on.name),
                    *([f"views_{row.on.name}"] if not row.model.end_to_end else []),
                ),
                resumable=True,
                every_rank=True,
            )
            for name, row in methods.items()
        ),
        Stage("evaluate", evaluate_few_labels, scored, ("recordings", "draws", *models, *views, *learned)),
        Stage("report", report_few_labels, ReportConfig(config), ("recordings", "draws", *models, *views, *learned, "evaluate")),
    ]


def draw_all(out: Path, inputs: Mapping[str, Path], config: DrawsConfig) -> None:
    """Write the labels that may be read in every fold, the same for all rows of the table."""
    folds = SensorFolds(inputs["recordings"] / "set", config.folds)
    draws = []
    for number in range(len(folds)):
        fold = folds.open(number)
        grid = grid_of(ResNet1d(1, fold.windows.rate, config.encoder), fold) if config.frames else None
        targets = targets_of(folds, fold, grid)
        subjects = dict(zip(fold.windows.ids, fold.windows.subjects, strict=True))
        draws += draw_labels(
            ids_by_class(fold, targets, fold.sides), subjects, fold.sides, config.labels, (config.folds.seed, number)
        )
    write_draws(draws, out)


def _devices(name: str, methods: Mapping[str, MethodRow]) -> list[float]:
    others = {row.pool.device for row in methods.values() if row.on.name == name and not row.model.end_to_end}
    return [0.0, *sorted(others - {0.0})]
