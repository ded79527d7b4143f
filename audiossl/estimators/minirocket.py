"""MiniRocket of aeon as an estimator with the normalisation and the files of this room (arXiv 2012.08791)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.estimators.array_transformer import ArrayTransformer
from audiossl.estimators.array_windows import Normaliser, windows_of_array
from audiossl.estimators.arrays import Seed, seed_of
from audiossl.models.banks.minirocket import PARAMETERS, TAPS, aeon, others_left_alone
from audiossl.signals.sensors.windows import Normalisation


class Kernels(nn.Module):
    """The kernels that were fitted; aeon computes their features."""

    def __init__(self, normaliser: Normaliser, parameters: dict[str, Tensor], num_threads: int) -> None:
        super().__init__()
        self.normaliser, self.num_threads = normaliser, num_threads
        for name in PARAMETERS:
            self.register_buffer(name, parameters[name])

    def forward(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B D"]:
        """Represent windows."""
        rocket = aeon().MiniRocket(n_jobs=self.num_threads)
        rocket.parameters = tuple(getattr(self, name).numpy() for name in PARAMETERS)
        rocket._n_jobs = self.num_threads
        values = self.normaliser(signal).numpy()
        with others_left_alone():
            return torch.from_numpy(np.array(rocket._transform(values), dtype=np.float32))


@dataclass(eq=False, repr=False, kw_only=True)
class MiniRocket(ArrayTransformer):
    """Shares of positive values after fixed convolutions with quantiles of windows as biases: aeon's MiniRocket.

    It needs `audiossl[sensors]`. Features are those of the recipes' row: windows are normalised first. They are wide: read
    them by ridge regression.

    Attributes:
        n_kernels: number of features, about.
        max_dilations_per_kernel: most dilations of a kernel.
        n_jobs: threads.
        normalise: `training` subtracts mean and deviation of the channels of `fit`, `window` those of each, `none` nothing.
        random_state: seed of the channels and windows that are drawn.

    >>> MiniRocket(n_kernels=168).get_params()["n_kernels"]
    168
    """

    one_length: ClassVar[bool] = True

    n_kernels: int = 10_000
    max_dilations_per_kernel: int = 32
    n_jobs: int = 1
    normalise: Normalisation = "training"
    random_state: Seed = 1

    def _fit_network(self, values: Float32[np.ndarray, "N C T"], groups: list[str] | None) -> nn.Module:
        for name in ("n_kernels", "max_dilations_per_kernel"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"MiniRocket.{name}: expected a whole number of at least 1, got {value!r}")
        windows, normaliser = windows_of_array(values, groups, 1.0, self.normalise)
        rocket = aeon().MiniRocket(self.n_kernels, self.max_dilations_per_kernel, self.n_jobs, seed_of(self.random_state) % 2**32)
        with others_left_alone():
            rocket.fit(windows.values.numpy())
        found = {name: torch.from_numpy(np.array(value)) for name, value in zip(PARAMETERS, rocket.parameters, strict=True)}
        return Kernels(normaliser, found, rocket._n_jobs)

    def _network_of(self, state: dict[str, Tensor]) -> nn.Module:
        network = Kernels(Normaliser(self.normalise, self.n_features_in_), state, self.n_jobs)
        network.load_state_dict(state)
        return network

    def _shortest(self) -> int:
        return TAPS
