"""Estimators with the residual network of the sensor recipes, and that network as it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.estimators.array_transformer import ArrayTransformer
from audiossl.estimators.array_windows import Normaliser, windows_of_array
from audiossl.estimators.arrays import Seed, seed_of
from audiossl.models.encoder import Encoder
from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.models.sensor_encoder import SensorEncoder, SensorInput
from audiossl.objectives.pooling import Pooling, pool_frames
from audiossl.options import read_options
from audiossl.seeds import derive_seed
from audiossl.signals.sensors.windows import Normalisation


class PooledEncoder(nn.Module):
    """Frames of normalised windows, pooled."""

    def __init__(self, normaliser: Normaliser, encoder: Encoder, pooling: Pooling = "mean") -> None:
        super().__init__()
        self.normaliser, self.encoder = normaliser, encoder
        self.pooling: Pooling = pooling

    def forward(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B D"]:
        """Represent windows."""
        frames = self.encoder(self.normaliser(signal), torch.full((len(signal),), signal.shape[2]))
        return pool_frames(frames, self.pooling)


@dataclass(eq=False, repr=False, kw_only=True)
class WindowEncoder(ArrayTransformer):
    """Base of estimators whose features are those of a `ResNet1d`.

    Attributes:
        rate: Hz of the windows. Features do not depend on it; `encoder_` is saved with it.
        dim: width of the features, as the recipes give it to baselines.
        width, num_blocks, kernel, dropout: sizes of the network, see `ResNet1dConfig`.
        normalise: `training` subtracts mean and deviation of the channels of `fit`, `window` those of each, `none` nothing.
        pooling: `mean` of the frames, or `rich`, four times as wide: mean, deviation, maximum and share of positive values.
        random_state: seed of everything random. None draws one from NumPy's global state.
    """

    rate: float | int = 1.0
    dim: int = 384
    width: int = 32
    num_blocks: int = 8
    kernel: int = 5
    dropout: float | int = 0.1
    normalise: Normalisation = "training"
    pooling: Pooling = "mean"
    random_state: Seed = 1

    @property
    def encoder_(self) -> SensorEncoder:
        """The fitted network with its normalisation: `encoder_.save(folder)` makes an encoder that `audiossl.load` knows."""
        check_is_fitted(self)
        normaliser, encoder = self.network_.normaliser, self.network_.encoder
        assert isinstance(normaliser, Normaliser) and isinstance(encoder, ResNet1d)  # of every network of this class
        names = tuple(f"channel_{number}" for number in range(self.n_features_in_))
        takes = SensorInput(names, ("1",) * len(names), float(self.rate), self.normalise)
        return SensorEncoder(encoder, takes, normaliser.mean, normaliser.deviation).eval()

    def _make_encoder(self, num_channels: int) -> ResNet1d:
        self._checked_pooling()  # before anything is trained
        names = ("width", "num_blocks", "kernel", "dropout", "dim")
        sizes = read_options(ResNet1dConfig, {name: getattr(self, name) for name in names}, type(self).__name__)
        return ResNet1d(num_channels, self._checked_rate(), sizes)

    def _checked_rate(self) -> float:
        if not isinstance(self.rate, int | float | np.number) or not 0 < self.rate < float("inf"):
            raise ConfigError(f"{type(self).__name__}.rate: expected a number of Hz above 0, got {self.rate!r}")
        return float(self.rate)

    def _checked_pooling(self) -> Pooling:
        if self.pooling not in get_args(Pooling):
            raise ConfigError(
                f"{type(self).__name__}.pooling: expected one of {', '.join(get_args(Pooling))}, got {self.pooling!r}"
            )
        return self.pooling

    def _make_network(self) -> nn.Module:
        normaliser = Normaliser(self.normalise, self.n_features_in_)
        return PooledEncoder(normaliser, self._make_encoder(self.n_features_in_), self._checked_pooling())


@dataclass(eq=False, repr=False, kw_only=True)
class RandomEncoder(WindowEncoder):
    """Represent windows by the network of the objectives as it is drawn: a control for what training adds.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> RandomEncoder(dim=16).fit_transform(X).shape
    (8, 16)
    """

    def _fit_network(self, values: Float32[np.ndarray, "N C T"], groups: list[str] | None) -> nn.Module:
        normaliser = windows_of_array(values, groups, self._checked_rate(), self.normalise)[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed_of(self.random_state), "encoder"))
            return PooledEncoder(normaliser, self._make_encoder(values.shape[1]), self._checked_pooling())
