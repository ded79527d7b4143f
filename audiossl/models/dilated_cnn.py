"""The dilated convolutions of TS2Vec: a frame for every sample (arXiv 2106.10466, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Frames


@dataclass
class DilatedCNNConfig:
    """Sizes of a `DilatedCNN`.

    Attributes:
        width: channels inside.
        depth: blocks of that width before the last; a frame sees 2^(depth + 3) - 3 samples. 10 is published, for series of
            hundreds to thousands of samples; 6 sees 509.
        dropout: of the output, in training.
        dim: width of the output; 320 is published.
    """

    width: int = 64
    depth: int = 6
    dropout: float = 0.1
    dim: int = 128

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 0 or self.dim < 1:
            raise ConfigError(f"expected a positive width, depth and dim, got {self.width}, {self.depth}, {self.dim}")


class DilatedCNN(nn.Module):
    """A projection of each sample and residual blocks of dilation 1, 2, 4, ... over windows of any length.

    Padding is kept out of every convolution, so a window gives the same frames in any batch.

    Args:
        num_channels: C of the input.
        rate: of the input, Hz.
        config: sizes.
    """

    num_layers = 1
    min_samples = 1
    alignment = 1

    def __init__(self, num_channels: int, rate: float, config: DilatedCNNConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DilatedCNNConfig()
        self.num_channels = num_channels
        self.sample_rate = self.frame_rate = self.last_frame_rate = float(rate)
        self.frame_offset = 0.5 / float(rate)
        self.dim = config.dim
        self.project = nn.Conv1d(num_channels, config.width, 1)
        widths = [config.width] * (config.depth + 1)
        self.blocks = nn.ModuleList(
            _Block(before, after, 2**index)
            for index, (before, after) in enumerate(zip(widths, [*widths[1:], config.dim], strict=True))
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"], kept: Bool[Tensor, "B S"] | None = None
    ) -> Frames:
        """Encode a padded batch; where `kept` is False, the projected sample is hidden, as TS2Vec does in training."""
        valid = ~padding_mask(lengths, signal.shape[2])
        hidden = self.project(signal.masked_fill(~valid[:, None], 0.0))
        seen = valid if kept is None else valid & kept
        hidden = hidden.masked_fill(~seen[:, None], 0.0)
        for block in self.blocks:
            hidden = block(hidden, valid)
        return Frames.from_layers([self.dropout(hidden.transpose(1, 2))], lengths)


class _Block(nn.Module):
    def __init__(self, num_in: int, num_out: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(num_in, num_out, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(num_out, num_out, 3, padding=dilation, dilation=dilation)
        self.skip = nn.Identity() if num_in == num_out else nn.Conv1d(num_in, num_out, 1)

    def forward(self, x: Float[Tensor, "B C T"], valid: Bool[Tensor, "B T"]) -> Float[Tensor, "B C2 T"]:
        hidden = self.first(functional.gelu(x)).masked_fill(~valid[:, None], 0.0)
        hidden = self.second(functional.gelu(hidden))
        return (hidden + self.skip(x)).masked_fill(~valid[:, None], 0.0)
