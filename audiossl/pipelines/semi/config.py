"""Typed config of the semi-supervised pipeline: what a recipe's YAML may say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from audiossl.errors import ConfigError
from audiossl.objectives.kinds import SEMI_OBJECTIVES
from audiossl.options import kind_of
from audiossl.pipelines.recipe_names import check_names
from audiossl.pipelines.semi.labels import LabelBudgets
from audiossl.pipelines.semi.pool import PoolConfig
from audiossl.pipelines.semi.views import ViewConfig
from audiossl.pipelines.sensors.config import SensorsRecipe
from audiossl.training.config import TrainingConfig


@dataclass
class SemiMethod:
    """A semi-supervised row of the table.

    Attributes:
        kind: method of `audiossl.objectives.kinds.SEMI_OBJECTIVES`, or one of one's own, `my_module:MyClass`.
        on: name of the model whose frozen features it reads, or whose encoder it trains; empty for the first model.
        end_to_end: train the model's encoder as well, rather than a head on its frozen features.
        options: options of the method.
        lr: learning rate in place of the recipe's.
        pool: unlabelled windows in place of the recipe's, for rows of stress.
    """

    kind: str = field(metadata=kind_of(SEMI_OBJECTIVES))
    on: str = ""
    end_to_end: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    lr: float | None = None
    pool: PoolConfig | None = None


@dataclass
class PairConfig:
    """What is in a batch.

    Attributes:
        labelled: labelled windows; where there are fewer, all of them.
        unlabelled: unlabelled windows, likewise.
        strong: strong views of each.
    """

    labelled: int = 32
    unlabelled: int = 128
    strong: int = 2

    def __post_init__(self) -> None:
        if min(self.labelled, self.unlabelled, self.strong) < 1:
            raise ConfigError("pairs needs at least 1 labelled window, 1 unlabelled window and 1 strong view")


@dataclass
class SemiRecipe(SensorsRecipe):
    """A sensor recipe whose models are read with few labels, by probes and by semi-supervised methods.

    The keys of `method: sensors` mean here what they mean there; `models` are what is represented, each with a linear probe as a
    row of its own name.

    Attributes:
        methods: semi-supervised methods by the name of their row.
        labels: how many labels may be read, and how often they are drawn.
        pool: unlabelled windows.
        views: weak and strong views of windows.
        pairs: sizes of batches of labelled and unlabelled windows.
        learning: options of the training loop in learning from few labels.
        frames: classify frames rather than whole windows (segmentation). A frame of several windows is scored in each.
    """

    methods: dict[str, SemiMethod] = field(default_factory=dict)
    labels: LabelBudgets = field(default_factory=LabelBudgets)
    pool: PoolConfig = field(default_factory=PoolConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    learning: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            optimiser="adamw", lr=3e-3, weight_decay=1e-3, schedule="cosine", warmup_steps=10, max_steps=300, validate_every=0,
            checkpoint_every=0, tensorboard=False, precision="float32",
        )
    )  # fmt: skip
    frames: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names("methods", self.methods)
        if self.methods and self.subjects.valid < 1 and self.subjects.folds:
            raise ConfigError("subjects.valid: expected at least 1, whose labels choose the strength of probes")
        for name, method in self.methods.items():
            if name in self.models:
                raise ConfigError(f"methods.{name}: there is a model of that name, whose probe is the row '{name}'; rename one")
            method.on = method.on or next(iter(self.models))
            if method.on not in self.models:
                raise ConfigError(f"methods.{name}.on: expected one of the models {', '.join(self.models)}, got '{method.on}'")
        if self.frames:
            self.views.check_frames()
