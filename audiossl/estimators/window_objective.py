"""Estimators that train the objective of a recipe on windows without labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from audiossl.errors import ConfigError
from audiossl.estimators.array_windows import Normaliser, fewest_groups, windows_of_array
from audiossl.estimators.arrays import seed_of
from audiossl.estimators.window_encoder import PooledEncoder, WindowEncoder
from audiossl.models.resnet1d import ResNet1d
from audiossl.objectives.objective import Objective
from audiossl.options import read_options
from audiossl.pipelines.sensors.batches import WindowBatchConfig, WindowBatches
from audiossl.seeds import derive_seed
from audiossl.signals.sensors.windows import WindowSet
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit


@dataclass(eq=False, repr=False, kw_only=True)
class WindowObjective(WindowEncoder):
    """Base of estimators that are trained: the objective, the batches and the loop are those of the sensor recipes.

    Attributes:
        steps: number of steps of the optimiser.
        batch_size: windows; where there are fewer, all of them.
        groups_per_batch: how many groups a batch is of, 0 for all. None takes, where `fit` gets groups, two or as many as fill
            a batch: so that whom a window is of says little in a contrast. Without groups it is 0.
        neighbours: rows of the same group that a window's second view may be of, before and after it; 0 for the window itself.
            Rows of a group must then be in the order of time.
        lr: peak learning rate of AdamW; it rises over `warmup_steps` and falls along a cosine.
        weight_decay: weight decay of the optimiser on matrices.
        warmup_steps: None takes a tenth of the steps, at most 50.
        device: `auto`, `cpu`, `cuda`: where the network is trained.
        verbose: 1 shows how far training is.
    """

    min_rows: ClassVar[int] = 2
    objective: ClassVar[type[Objective]]  # that is trained
    config: ClassVar[type]  # its dataclass of options; an option that is None is left at its default

    steps: int = 200
    batch_size: int = 128
    groups_per_batch: int | None = None
    neighbours: int = 0
    lr: float | int = 3e-3
    weight_decay: float | int = 1e-4
    warmup_steps: int | None = None
    device: str = "auto"
    verbose: int = 0

    def _fit_network(self, values: Float32[np.ndarray, "N C T"], groups: list[str] | None) -> nn.Module:
        seed, name = seed_of(self.random_state), type(self).__name__
        windows, normaliser = windows_of_array(values, groups, self._checked_rate(), self.normalise)
        with torch.random.fork_rng(devices=[]), TemporaryDirectory(prefix="audiossl-") as folder:
            torch.manual_seed(derive_seed(seed, "encoder"))
            objective = self._make_objective(self._make_encoder(values.shape[1]))
            batches = WindowBatches(windows, range(len(windows)), self._batches(groups, values.shape), seed)
            training = read_options(TrainingConfig, self._training(seed), name)
            fit(objective, batches, training, Path(folder), quiet=not self.verbose)
        return self._network_after(objective.eval().cpu(), normaliser, windows, seed)

    def _make_objective(self, encoder: ResNet1d) -> Objective:
        return self.objective(encoder, read_options(self.config, self._options(), type(self).__name__))

    def _options(self) -> dict[str, object]:
        """What the parameters say of the objective's options."""
        said = {field.name: getattr(self, field.name) for field in fields(self.config)}
        return {name: value for name, value in said.items() if value is not None}

    def _network_after(self, objective: Objective, normaliser: Normaliser, windows: WindowSet, seed: int) -> nn.Module:
        """The module that represents windows, from an objective that was trained."""
        return PooledEncoder(normaliser, objective.encoder, self._checked_pooling())

    def _batches(self, groups: list[str] | None, shape: tuple[int, ...]) -> WindowBatchConfig:
        if groups is None and (self.neighbours or self.groups_per_batch):
            said = "neighbours" if self.neighbours else "groups_per_batch"
            raise ConfigError(f"{type(self).__name__}.{said} needs groups: fit(X, groups=...) says whom each window is of")
        chosen = self.groups_per_batch
        if chosen is None:
            sizes = list(Counter(groups).values()) if groups is not None else []
            chosen = fewest_groups(sizes, min(self.batch_size, shape[0]))
        # Windows of a group lie one after the other, so that the length of a window is the time from one to the next.
        values = {"size": self.batch_size, "subjects": chosen, "neighbours": self.neighbours * shape[2] / self.rate}
        return read_options(WindowBatchConfig, values, type(self).__name__)

    def _training(self, seed: int) -> dict[str, object]:
        warmup = min(50, self.steps // 10) if self.warmup_steps is None else self.warmup_steps
        return {
            "optimiser": "adamw", "lr": self.lr, "weight_decay": self.weight_decay, "schedule": "cosine", "warmup_steps": warmup,
            "max_steps": self.steps, "validate_every": 0, "checkpoint_every": 0, "tensorboard": False, "seed": seed,
            "device": self.device,
        }  # fmt: skip
