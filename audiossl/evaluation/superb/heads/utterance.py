"""The head of clips with one label: two linear layers around a mean over frames."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.lengths import padding_mask


class UtteranceLinear(nn.Module):
    """Linear, mean over valid frames, Linear; nothing between them bends.

    Args:
        dim: size of the features.
        num_outputs: logits.
        hidden: width in between.
    """

    def __init__(self, dim: int, num_outputs: int, hidden: int = 256) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(dim, hidden), nn.Linear(hidden, num_outputs)

    def forward(self, features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B K"]:
        """Logits of each clip."""
        inside = (~padding_mask(lengths, features.shape[1]))[:, :, None]
        return self.outer((self.inner(features) * inside).sum(1) / lengths[:, None].to(features))
