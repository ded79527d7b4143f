"""Whitening by neighbours as an estimator: fixed features of windows, whitened by what differs from one window to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from audiossl.features.neighbour_whitening import WhiteningConfig
from audiossl.models.banks.bank import FeatureBank, load_buffers
from audiossl.models.banks.table import BANKS, make_bank
from audiossl.models.banks.whitened import WhitenedBank, whiten_bank
from audiossl.options import read_options
from audiossl.signals.sensors.next_windows import follows
from audiossl.signals.sensors.windows import Normalisation


class WhitenedBanks(nn.Module):
    """Whitened features of normalised windows, bank after bank."""

    def __init__(self, normaliser: Normaliser, banks: Sequence[WhitenedBank]) -> None:
        super().__init__()
        self.normaliser, self.banks = normaliser, nn.ModuleList(banks)

    def forward(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B D"]:
        """Represent windows."""
        signal, lengths = self.normaliser(signal), torch.full((len(signal),), signal.shape[2])
        return torch.cat([bank(signal, lengths) for bank in self.banks], dim=1)


@dataclass(eq=False, repr=False, kw_only=True)
class NeighbourWhitening(ArrayTransformer):
    """Fixed features, whitened by the covariance of differences between neighbouring windows: closed form, without labels.

    Directions in which a window differs from the next one of its recording are shrunk; none is thrown away. `fit` needs groups,
    the recording of each window; rows of a group must be in the order of time and evenly spaced, best one half of a window apart.
    Scales of the columns mean something: read the features by ridge regression without a `StandardScaler`.

    Attributes:
        bank: features: `kernels` (MiniRocket's in torch), `minirocket` (aeon's), `gabor`, `statistics`, or several of them, which
            are whitened each by itself and stand next to each other with the same total variance.
        dim: most directions of a bank that are kept, at most half as many as windows.
        shrinkage: multiple of the mean variance of differences that is added to each; 1 is what was chosen on HAPT and seglearn.
        options: options of banks, by bank, such as `{"kernels": {"num_features": 2000}}`.
        normalise: `training` subtracts mean and deviation of the channels of `fit`, `window` those of each, `none` nothing.
        random_state: seed of what is drawn.

    >>> X = np.random.default_rng(0).standard_normal((12, 3, 64))
    >>> model = NeighbourWhitening(bank="statistics").fit(X, groups=["walk"] * 6 + ["run"] * 6)
    >>> model.transform(X).shape
    (12, 6)
    """

    one_length: ClassVar[bool] = True
    min_rows: ClassVar[int] = 2

    bank: str | Sequence[str] = "kernels"
    dim: int = 1000
    shrinkage: float | int = 1.0
    options: Mapping[str, Mapping[str, object]] | None = None
    normalise: Normalisation = "training"
    random_state: Seed = 1

    def _fit_network(self, values: Float32[np.ndarray, "N C T"], groups: list[str] | None) -> nn.Module:
        if groups is None:
            raise ConfigError(
                "NeighbourWhitening needs groups: fit(X, groups=...) says which recording each window is of, so that neighbours "
                "are known"
            )
        config = read_options(WhiteningConfig, {"dim": self.dim, "shrinkage": self.shrinkage}, type(self).__name__)
        windows, normaliser = windows_of_array(values, groups, 1.0, self.normalise)
        near = follows(windows, range(len(windows)), float(values.shape[2]))  # windows of a group lie one after the other
        seed = seed_of(self.random_state)
        banks = [
            whiten_bank(bank, windows.values, windows.lengths, near, seed=seed, config=config, block=self.block_size)
            for bank in self._make_banks()
        ]
        return WhitenedBanks(normaliser, banks)

    def _make_banks(self) -> list[FeatureBank]:
        names, options = self._names(), self.options or {}
        if strangers := [name for name in options if name not in names]:
            raise ConfigError(f"NeighbourWhitening.options: expected options of {', '.join(names)}, got some of {strangers[0]}")
        return [make_bank(name, options.get(name), place=f"NeighbourWhitening.options.{name}") for name in names]

    def _names(self) -> list[str]:
        names = [self.bank] if isinstance(self.bank, str) else list(self.bank)
        # Of the table alone: a file that is loaded may not choose what is imported.
        if unknown := [name for name in names if name not in BANKS]:
            raise ConfigError(f"NeighbourWhitening.bank: expected one of {', '.join(BANKS)}, or several, got {unknown[0]!r}")
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"NeighbourWhitening.bank: expected at least one bank, each once, got {names}")
        return names

    def _make_network(self) -> nn.Module:
        banks = self._make_banks()
        for bank in banks:
            bank.build(self.n_features_in_)
        return WhitenedBanks(Normaliser(self.normalise, self.n_features_in_), [WhitenedBank(bank) for bank in banks])

    def _network_of(self, state: dict[str, Tensor]) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            network = self._make_network()
        load_buffers(network, state)
        return network

    def _shortest(self) -> int:
        return max(bank.min_samples for bank in self._make_banks())
