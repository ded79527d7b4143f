"""Hand-made statistics as a bank of features."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.features.window_statistics import window_statistics
from audiossl.models.banks.bank import FeatureBank


@dataclass(frozen=True)
class StatisticsOptions:
    """Options of hand-made statistics.

    Attributes:
        num_bins: cells of the spectrum of a channel.

    Raises:
        ConfigError: if there is none.
    """

    num_bins: int = 32

    def __post_init__(self) -> None:
        if self.num_bins < 1:
            raise ConfigError(f"num_bins: expected a whole number of at least 1, got {self.num_bins}")


class StatisticsBank(FeatureBank[StatisticsOptions]):
    """Moments, extremes, roughness, correlations of channels and log spectra.

    >>> import torch
    >>> StatisticsBank(StatisticsOptions(num_bins=8))(torch.randn(2, 3, 64), torch.tensor([64, 64])).shape
    torch.Size([2, 42])
    """

    Options = StatisticsOptions

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Statistics of windows."""
        return window_statistics(signal, lengths, self.options.num_bins)
