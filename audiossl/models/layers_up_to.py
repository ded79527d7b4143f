"""An encoder that ends at one of its layers."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames


class LayersUpTo(nn.Module):
    """The layers of an encoder up to one, which is also the final output; those above are computed, and left out.

    Args:
        encoder: of any kind.
        layer: index of the last layer, from 0.
        name: how messages call it.

    Raises:
        ConfigError: if there is no such layer.
    """

    def __init__(self, encoder: Any, layer: int, name: str) -> None:
        super().__init__()
        if not 0 <= layer < encoder.num_layers:
            raise ConfigError(f"'{name}': expected a layer from 0 to {encoder.num_layers - 1}, got {layer}")
        self.encoder, self.num_layers = encoder, layer + 1
        self.sample_rate, self.frame_rate, self.last_frame_rate = encoder.sample_rate, encoder.frame_rate, encoder.frame_rate
        self.frame_offset, self.dim = encoder.frame_offset, encoder.dim
        self.min_samples, self.alignment = encoder.min_samples, encoder.alignment
        self.reads_whole = getattr(encoder, "reads_whole", False)
        for optional in ("takes", "regions", "max_samples"):
            if hasattr(encoder, optional):
                setattr(self, optional, getattr(encoder, optional))

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch."""
        frames: Frames = self.encoder(signal, lengths)
        return Frames.from_layers(frames.layers[: self.num_layers], frames.lengths)
