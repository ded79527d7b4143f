"""A bank of features that is whitened by neighbouring windows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from audiossl.features.neighbour_whitening import NeighbourWhitener, WhiteningConfig, fit_neighbour_whitening, refuse_gaps
from audiossl.models.banks.bank import FeatureBank

BLOCK = 512  # windows represented at once


class WhitenedBank(nn.Module):
    """Features of a bank, behind the map that whitens them.

    Args:
        bank: fitted, or about to be loaded.
        whitener: map; None makes an empty one, to be loaded.

    >>> from audiossl.models.banks import StatisticsBank
    >>> bank = WhitenedBank(StatisticsBank(), NeighbourWhitener(torch.zeros(37), torch.eye(37)))
    >>> bank(torch.randn(2, 1, 64), torch.tensor([64, 64])).shape
    torch.Size([2, 37])
    """

    def __init__(self, bank: FeatureBank, whitener: NeighbourWhitener | None = None) -> None:
        super().__init__()
        self.bank = bank
        self.whitener = whitener or NeighbourWhitener(torch.empty(0), torch.empty(0, 0))

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B K"]:
        """Whitened features of windows.

        Raises:
            DataError: for a window with gaps: shares of values above a bias would not show them.
        """
        refuse_gaps(signal)
        return self.whitener(self.bank(signal, lengths))


@torch.no_grad()
def whiten_bank(
    bank: FeatureBank,
    signal: Float[Tensor, "N C L"],
    lengths: Int[Tensor, "N"],
    follows: Bool[Tensor, "N"],
    *,
    seed: int = 1,
    config: WhiteningConfig | None = None,
    block: int = BLOCK,
) -> WhitenedBank:
    """Fit a bank and its whitening to windows without labels.

    Features are made anew in every pass over the windows, a block at a time, and never kept.

    Args:
        bank: bank that is fitted.
        signal: windows of training people, those of a recording in the order of time; zero beyond each length.
        lengths: valid samples.
        follows: whether each window is the neighbour of the row before.
        seed: seed of what the bank draws.
        config: number of directions and shrinkage.
        block: windows represented at once.

    Raises:
        DataError: for a window with gaps, and as `fit_neighbour_whitening`.

    >>> from audiossl.models.banks import StatisticsBank
    >>> signal, lengths = torch.randn(20, 1, 64), torch.full((20,), 64)
    >>> whiten_bank(StatisticsBank(), signal, lengths, torch.arange(20) > 0)(signal, lengths).shape
    torch.Size([20, 10])
    """
    for number, rows in enumerate(signal.split(block)):
        refuse_gaps(rows, number * block)
    bank.fit(signal, lengths, seed)

    def blocks() -> Iterator[Tensor]:
        for rows in torch.arange(len(signal)).split(block):
            yield bank(signal[rows], lengths[rows])

    return WhitenedBank(bank, fit_neighbour_whitening(blocks, follows, config))
