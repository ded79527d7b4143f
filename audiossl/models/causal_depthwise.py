"""The convolution over time of causal Zipformers: one over the past, one within the chunk (arXiv 2310.11230, appendix)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.models.depthwise import DepthwiseConv


class CausalDepthwiseConv(nn.Module):
    """A convolution over the present and past, plus one that stays within the chunk, scaled by the distance from its edges.

    The second misses frames at both edges of a chunk; `chunkwise_conv_scale` learns, for each channel and distance, by how much
    more the rest counts.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.causal_conv = DepthwiseConv(dim, kernel // 2 + 1, causal=True)
        self.chunkwise_conv = DepthwiseConv(dim, kernel)
        self.chunkwise_conv_scale = nn.Parameter(torch.zeros(2, dim, kernel))

    def forward(
        self, x: Float[Tensor, "B T D"], chunk_size: int | None, padding: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Convolve a batch that holds zeros at padded frames.

        Args:
            x: frames.
            chunk_size: frames of a chunk; None if each clip is one chunk.
            padding: True at padded frames; they show the end of a clip that is one chunk.
        """
        return self.causal_conv(x) + self.within_chunks(x, chunk_size, padding)

    def within_chunks(
        self, x: Float[Tensor, "B T D"], chunk_size: int | None, padding: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Convolve each chunk as if it were alone. The first frame starts a chunk; the last chunk may be short of frames."""
        batch, frames, dim = x.shape
        if chunk_size is None:
            position = torch.arange(frames, device=x.device)
            valid = position.new_full((batch, 1), frames) if padding is None else (~padding).sum(1, keepdim=True)
            return self.chunkwise_conv(x) * self._scale(position, (valid - 1 - position).clamp_min(0))
        chunks = F.pad(x, (0, 0, 0, -frames % chunk_size)).reshape(-1, chunk_size, dim)
        place = torch.arange(chunk_size, device=x.device)
        scale = self._scale(place, place.flip(0))
        return (self.chunkwise_conv(chunks) * scale).reshape(batch, -1, dim)[:, :frames]

    def _scale(self, from_start: Tensor, from_end: Tensor) -> Tensor:
        """Factors (..., D) for frames so many frames from the start and from the end of their chunk; 1 far from both."""
        # Tables by distance, 0 .. kernel - 1, and a zero for all that is further; the second is stored from the far end.
        by_start, by_end = self.chunkwise_conv_scale.unbind()
        start, end = (F.pad(table.t(), (0, 0, 0, 1)) for table in (by_start, by_end.flip(1)))
        return 1 + start[from_start.clamp_max(self.kernel)] + end[from_end.clamp_max(self.kernel)]
