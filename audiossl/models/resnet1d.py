"""A pre-activation 1-D residual network for windows of any length (arXiv 2510.22655, table 15a; widths of its code)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.errors import ConfigError
from audiossl.lengths import padding_mask
from audiossl.models.dropout import Dropout
from audiossl.models.encoder import Frames
from audiossl.models.exporting import is_exporting
from audiossl.models.masked_norm import MaskedBatchNorm


@dataclass
class ResNet1dConfig:
    """Sizes of a `ResNet1d`.

    Attributes:
        width: channels of the first half; the second half has twice as many.
        num_blocks: residual blocks; every second one halves the frame rate.
        kernel: taps of every convolution, odd.
        dropout: share of values dropped in every block, in training.
        dim: width of the output.

    Raises:
        ConfigError: for a size out of range.

    >>> ResNet1dConfig(width=16, dim=64).kernel
    5
    """

    width: int = 32
    num_blocks: int = 8
    kernel: int = 5
    dropout: float = 0.1
    dim: int = 128

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0 or self.width % 2 or min(self.kernel, self.width, self.num_blocks, self.dim) < 1:
            got = f"{self.kernel}, {self.width}, {self.num_blocks} and {self.dim}"
            raise ConfigError(f"expected an odd kernel, an even width, at least one block and one dim, got {got}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"expected a dropout of at least 0 and below 1, got {self.dropout}")


class ResNet1d(nn.Module):
    """Eight residual blocks, a norm and a linear layer; frames come every 16 samples.

    The mean of the frames is the window's representation: the linear layer and the mean may change places. Padding is kept out
    of every convolution, norm and maximum, so a window gives the same frames in any batch.

    Args:
        num_channels: C of the input.
        rate: rate of the input, Hz.
        config: sizes.

    >>> encoder = ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> encoder(torch.randn(2, 3, 64), torch.tensor([64, 40])).lengths
    tensor([32, 20])
    """

    num_layers = 1
    min_samples = 1

    def __init__(self, num_channels: int, rate: float, config: ResNet1dConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ResNet1dConfig()
        self.num_channels = num_channels
        self.alignment = 2 ** (config.num_blocks // 2)
        self.sample_rate = float(rate)
        self.frame_rate = self.last_frame_rate = float(rate) / self.alignment
        self.frame_offset = 0.5 / float(rate)
        self.dim, count = config.dim, config.num_blocks
        widths = [config.width * (1 if index < count / 2 else 2) for index in range(count)]
        self.stem = nn.Conv1d(num_channels, widths[0], config.kernel, padding=config.kernel // 2)
        self.stem_norm = MaskedBatchNorm(widths[0])
        self.blocks = nn.ModuleList(
            _Block(before, after, 2 if index % 2 else 1, config, is_first=index == 0)
            for index, (before, after) in enumerate(zip([widths[0], *widths], widths, strict=False))
        )
        self.norm = MaskedBatchNorm(widths[-1])
        self.head = nn.Linear(widths[-1], config.dim)

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch."""
        is_whole = not is_exporting() and bool((lengths == signal.shape[2]).all())
        valid = None if is_whole else ~padding_mask(lengths, signal.shape[2])
        hidden = functional.relu(self.stem_norm(self.stem(_only(signal, valid)), valid))
        for block in self.blocks:
            hidden, lengths = block(hidden, lengths, valid)
            valid = None if valid is None else ~padding_mask(lengths, hidden.shape[2])
        hidden = functional.relu(self.norm(hidden, valid))
        return Frames.from_layers([self.head(hidden.transpose(1, 2))], lengths)


class _Block(nn.Module):
    def __init__(self, num_in: int, num_out: int, stride: int, config: ResNet1dConfig, is_first: bool) -> None:
        super().__init__()
        self.stride, self.widening = stride, num_out - num_in
        pad = config.kernel // 2
        self.norm_in = None if is_first else MaskedBatchNorm(num_in)
        self.conv_in = nn.Conv1d(num_in, num_out, config.kernel, stride, pad)
        self.norm_mid = MaskedBatchNorm(num_out)
        self.conv_mid = nn.Conv1d(num_out, num_out, config.kernel, padding=pad)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "B C T"], lengths: Int[Tensor, "B"], valid: Bool[Tensor, "B T"] | None
    ) -> tuple[Float[Tensor, "B C2 T2"], Int[Tensor, "B"]]:
        hidden = x if self.norm_in is None else self.dropout(functional.relu(self.norm_in(x, valid)))
        hidden = self.conv_in(_only(hidden, valid))
        lengths = (lengths + self.stride - 1) // self.stride
        after = None if valid is None else ~padding_mask(lengths, hidden.shape[2])
        hidden = self.conv_mid(_only(self.dropout(functional.relu(self.norm_mid(hidden, after))), after))
        if self.stride > 1:
            # The maximum must not see padding, which is zero and may be larger than the signal.
            lowest = torch.finfo(x.dtype).min
            x = x if valid is None else x.masked_fill(~valid[:, None], lowest)
            if is_exporting():  # the pool over one axis would fix the size, and rounding up whether it is even
                image = functional.pad(x, (0, self.stride - 1), value=lowest)[:, :, None]
                x = functional.max_pool2d(image, (1, self.stride))[:, :, 0]
            else:
                x = functional.max_pool1d(x, self.stride, ceil_mode=True)
        if self.widening:
            x = functional.pad(x, (0, 0, self.widening // 2, self.widening - self.widening // 2))
        return _only(hidden + _only(x, after), after), lengths


def _only(x: Float[Tensor, "B C T"], valid: Bool[Tensor, "B T"] | None) -> Float[Tensor, "B C T"]:
    return x if valid is None else x.masked_fill(~valid[:, None], 0.0)
