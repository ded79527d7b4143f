"""MiniRocket of aeon as a bank of features (arXiv 2012.08791)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError, import_extra
from audiossl.models.banks.bank import FeatureBank

# What aeon fits, in the order of its `parameters`.
PARAMETERS = ("channels_per_combination", "channel_indices", "dilations", "features_per_dilation", "biases")
TAPS = 9  # of every kernel


@dataclass(frozen=True)
class KernelOptions:
    """Options of MiniRocket's kernels.

    Attributes:
        num_features: number of features, about.
        max_dilations: most dilations of a kernel.

    Raises:
        ConfigError: for values below 1.
    """

    num_features: int = 10_000
    max_dilations: int = 32

    def __post_init__(self) -> None:
        if self.num_features < 1 or self.max_dilations < 1:
            got = f"{self.num_features} and {self.max_dilations}"
            raise ConfigError(f"num_features and max_dilations: expected whole numbers of at least 1, got {got}")


class MiniRocketBank(FeatureBank[KernelOptions]):
    """Shares of positive values after fixed convolutions with quantiles of windows as biases; needs `audiossl[sensors]`.

    With the same seed and windows the features are those of the row `minirocket`.

    >>> MiniRocketBank.min_samples
    9
    """

    Options = KernelOptions
    min_samples = TAPS

    def __init__(self, options: KernelOptions | None = None) -> None:
        super().__init__(options)
        import_extra("aeon", "sensors")  # better missed now than after minutes of work
        for name in PARAMETERS:
            self.register_buffer(name, torch.empty(0))

    def fit(self, signal: Float[Tensor, "N C L"], lengths: Int[Tensor, "N"], seed: int) -> None:
        """Draw channels and windows, and take quantiles of these for biases."""
        rocket = aeon().MiniRocket(self.options.num_features, self.options.max_dilations, 1, seed % 2**32)
        with others_left_alone():
            rocket.fit(signal.numpy())
        for name, value in zip(PARAMETERS, rocket.parameters, strict=True):
            self.register_buffer(name, torch.from_numpy(np.array(value)))

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Shares of positive values of windows."""
        rocket = aeon().MiniRocket(n_jobs=1)
        rocket.parameters = tuple(getattr(self, name).numpy() for name in PARAMETERS)
        rocket._n_jobs = 1
        with others_left_alone():
            return torch.from_numpy(np.array(rocket._transform(signal.numpy()), dtype=np.float32))


@contextmanager
def others_left_alone() -> Iterator[None]:
    """Give NumPy's global draws and torch's number of threads back as they were: aeon seeds the one, numba changes the other."""
    state, num_threads = np.random.get_state(), torch.get_num_threads()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
        torch.set_num_threads(num_threads)


def aeon() -> ModuleType:
    """The module of aeon that has MiniRocket; it compiles when it is first used."""
    return import_extra("aeon.transformations.collection.convolution_based", "sensors")
