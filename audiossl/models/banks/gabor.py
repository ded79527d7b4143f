"""The Gabor view's network as it is drawn, as a bank of features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.features.rich_pooling import rich_pooling
from audiossl.models.banks.bank import FeatureBank
from audiossl.models.view_encoders import PlaneEncoder, make_view_encoder
from audiossl.seeds import derive_seed


@dataclass(frozen=True)
class GaborOptions:
    """Options of the network on Gabor magnitudes.

    Attributes:
        view: options of the view `gabor` of frame projections: those of the transform, `widths`, `kernel`, `gain`.
    """

    view: dict[str, Any] = field(default_factory=dict)


class GaborBank(FeatureBank[GaborOptions]):
    """Random convolutions of Gabor magnitudes: the last plane of an untrained `PlaneEncoder`, with rich pooling over time.

    With the default widths there are 4 x 128 x 3 features.

    >>> bank = GaborBank()
    >>> bank.fit(torch.randn(4, 3, 64), torch.full((4,), 64), seed=1)
    >>> bank(torch.randn(2, 3, 64), torch.tensor([64, 64])).shape
    torch.Size([2, 1536])
    """

    Options = GaborOptions
    encoder: PlaneEncoder

    def build(self, num_channels: int) -> None:
        """Make the network."""
        encoder = make_view_encoder("gabor", num_channels, 1, self.options.view)
        assert isinstance(encoder, PlaneEncoder)  # of this view
        self.encoder = encoder.eval().requires_grad_(False)

    def fit(self, signal: Float[Tensor, "N C L"], lengths: Int[Tensor, "N"], seed: int) -> None:
        """Draw the network."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "gabor bank"))
            self.build(signal.shape[1])

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Moments of every channel at every scale of the last plane."""
        plane, frames = self.encoder.last_plane(signal, lengths)
        return rich_pooling(plane.flatten(1, 2).transpose(1, 2), frames)
