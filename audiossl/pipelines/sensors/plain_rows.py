"""Rows without training: hand-made statistics, MiniRocket, and an encoder as it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import import_extra
from audiossl.features.window_statistics import window_statistics
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.pipelines.sensors.blocks import in_blocks, pooled
from audiossl.pipelines.sensors.config import SensorModel, SensorsRecipe
from audiossl.pipelines.sensors.data import SensorFold
from audiossl.pipelines.sensors.rows import Row
from audiossl.stage import Names


class StatisticsRow(Row):
    """Hand-made statistics of each window."""

    random = False

    def features(self, fold: SensorFold, seed: int) -> Float[Tensor, "N D"]:
        """Statistics of every channel."""
        return in_blocks(fold.windows, fold.task.rows, window_statistics)


class MiniRocketRow(Row):
    """MiniRocket features (arXiv 2012.08791) of aeon, their biases fitted to windows of all but test subjects."""

    @classmethod
    def of(cls, name: str, model: SensorModel, recipe: SensorsRecipe) -> Row:
        """Ask for aeon: better missed now than after minutes of training."""
        import_extra("aeon", "sensors")
        return super().of(name, model, recipe)

    def features(self, fold: SensorFold, seed: int) -> Float[Tensor, "N D"]:
        """Fit and transform."""
        rocket = import_extra("aeon.transformations.collection.convolution_based", "sensors").MiniRocket(random_state=seed)
        windows = fold.windows
        num_threads = torch.get_num_threads()
        try:
            rocket.fit(windows.values[windows.of(fold.sides.known)].numpy())
            return torch.from_numpy(np.array(rocket.transform(windows.values[fold.task.rows].numpy()), dtype=np.float32))
        finally:
            torch.set_num_threads(num_threads)  # numba changes torch's when it is first used


@dataclass(frozen=True)
class RandomRow(Row):
    """The encoder as it is drawn."""

    pools = True

    encoder: ResNet1dConfig

    @classmethod
    def of(cls, name: str, model: SensorModel, recipe: SensorsRecipe) -> RandomRow:
        """Take the sizes of the encoder."""
        return cls(name, model, cls.read_options(name, model), recipe.encoder)

    def features(self, fold: SensorFold, seed: int) -> Float[Tensor, "N D"]:
        """Its pooled frames."""
        return in_blocks(fold.windows, fold.task.rows, pooled(self.network(fold, seed, Path()), self.model.pooling))

    def network(self, fold: SensorFold, seed: int, out: Path) -> ResNet1d:
        """The encoder, drawn from torch's global generator."""
        sizes = replace(self.encoder, dim=self.model.dim or self.encoder.dim)
        return ResNet1d(fold.windows.values.shape[1], fold.windows.rate, sizes)

    def entries(self) -> list[tuple[str | Names, object]]:
        """The model and the sizes of the encoder."""
        return [(f"models.{self.name}", self.model), ("encoder", self.encoder)]
