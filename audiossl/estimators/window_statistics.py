"""Hand-made features of windows as an estimator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.estimators.array_transformer import ArrayTransformer
from audiossl.estimators.array_windows import Normaliser, windows_of_array
from audiossl.features.window_statistics import window_statistics
from audiossl.signals.sensors.windows import Normalisation


class Statistics(nn.Module):
    """Statistics of normalised windows."""

    def __init__(self, normaliser: Normaliser, num_bins: int) -> None:
        super().__init__()
        self.normaliser, self.num_bins = normaliser, num_bins

    def forward(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B D"]:
        """Represent windows."""
        lengths = torch.full((len(signal),), signal.shape[2])
        return window_statistics(self.normaliser(signal), lengths, self.num_bins)


@dataclass(eq=False, repr=False, kw_only=True)
class WindowStatistics(ArrayTransformer):
    """Moments, extremes, roughness, correlations of channels and log spectra: what learned features have to beat.

    Attributes:
        num_bins: cells of the spectrum of a channel.
        normalise: `training` subtracts mean and deviation of the channels of `fit`, `window` those of each, `none` nothing.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((8, 3, 64))
    >>> WindowStatistics(num_bins=8).fit_transform(X).shape
    (8, 42)
    """

    num_bins: int = 32
    normalise: Normalisation = "training"

    def _fit_network(self, values: Float32[np.ndarray, "N C T"], groups: list[str] | None) -> nn.Module:
        if not isinstance(self.num_bins, int | np.integer) or self.num_bins < 1:
            raise ConfigError(f"WindowStatistics.num_bins: expected a whole number of at least 1, got {self.num_bins!r}")
        return Statistics(windows_of_array(values, groups, 1.0, self.normalise)[1], int(self.num_bins))

    def _make_network(self) -> nn.Module:
        return Statistics(Normaliser(self.normalise, self.n_features_in_), self.num_bins)
