"""Frames that another encoder made, as an encoder: what is trained on them is only a head."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.models.encoder import Frames


class FrozenFrames(nn.Module):
    """Standardise frames (B, D, T) of a frozen encoder and return them as frames; one vector a window is one frame.

    Args:
        mean, deviation: mean and deviation of each of the D dimensions.
        rate: frames per second.

    >>> import torch
    >>> encoder = FrozenFrames(torch.zeros(8), torch.ones(8))
    >>> encoder(torch.randn(2, 8, 1), torch.tensor([1, 1])).last.shape
    torch.Size([2, 1, 8])
    """

    mean: Tensor
    deviation: Tensor
    num_layers = 1
    min_samples = alignment = 1
    frame_offset = 0.0

    def __init__(self, mean: Float[Tensor, "D"], deviation: Float[Tensor, "D"], rate: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.dim = len(mean)
        self.sample_rate = self.frame_rate = self.last_frame_rate = rate

    def forward(self, signal: Float[Tensor, "B D T"], lengths: Int[Tensor, "B"]) -> Frames:
        """Standardise frames."""
        frames = (signal.transpose(1, 2) - self.mean) / self.deviation
        return Frames.from_layers([frames], lengths)
