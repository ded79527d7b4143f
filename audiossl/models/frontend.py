"""Front ends of the Zipformer: 100 log-mel frames per second in, 50 frames out, with the same frame times."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from audiossl.models.activations import BiasNorm, swoosh_l, swoosh_r
from audiossl.models.exporting import is_exporting
from audiossl.models.linear import Linear, linear
from audiossl.models.scaled_linear import scale_initial_values

LOG_MEL_MEAN, LOG_MEL_SPREAD = -5.0, 4.0  # of speech, roughly: centred inputs let a plain optimiser learn several times faster
BLOCK_FRAMES = 16
RECEPTIVE_FRAMES = 9  # an output frame k sees the feature frames 2k .. 2k+8


Count = TypeVar("Count", int, Tensor)


def num_output_frames(num_feature_frames: Count) -> Count:
    """Frames that a front end makes of T feature frames: (T - 7) // 2."""
    return (num_feature_frames - 7) // 2


class Conv2dFrontend(nn.Module):
    """The published front end: three 3x3 convolutions over time and mel, a ConvNeXt block, a linear layer.

    Source: arXiv 2310.11230, section 2.1.
    """

    devices: Callable[..., Tensor] | None = None  # forward pass in training mode; see training_devices/
    context_frames = 3  # output frames to either side that the ConvNeXt block sees

    def __init__(self, num_mel_bins: int, dim: int) -> None:
        super().__init__()
        width = ((num_mel_bins - 1) // 2 - 1) // 2
        # Indices 0, 4, 7 are the published parameter names.
        self.conv = nn.ModuleDict(
            {
                "0": nn.Conv2d(1, 8, 3, padding=(0, 1)),
                "4": nn.Conv2d(8, 32, 3, stride=2),
                "7": nn.Conv2d(32, 128, 3, stride=(1, 2)),
            }
        )
        self.convnext = ConvNeXt(128)
        self.out = Linear(128 * width, dim)
        self.out_norm = BiasNorm(dim)

    def forward(self, features: Float[Tensor, "B T M"], padding: Bool[Tensor, "B T2"] | None = None) -> Float[Tensor, "B T2 D"]:
        """Transform features.

        Frames where `padding` is True are zeros to the ConvNeXt block, as is the space beyond the end of a lone clip.
        """
        if self.devices is not None and self.training:
            return self.devices(self, features, padding)
        x = features[:, None].contiguous(memory_format=torch.channels_last)
        for index in ("0", "4", "7"):
            x = swoosh_r(self.conv[index](x))
        if padding is not None:
            x = x.masked_fill(padding[:, None, :, None], 0.0)
        x = self.convnext(x)  # (B, 128, T2, W)
        return self.out_norm(self.out(x.transpose(1, 2).flatten(2)))


class ConvNeXt(nn.Module):
    """x + pointwise(SwooshL(pointwise(depthwise 7x7(x))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.pointwise_conv1 = nn.Conv2d(channels, 3 * channels, 1)
        self.pointwise_conv2 = nn.Conv2d(3 * channels, channels, 1)
        scale_initial_values(self.pointwise_conv2, 0.01)

    def forward(self, x: Float[Tensor, "B C T W"]) -> Float[Tensor, "B C T W"]:
        # Pointwise convolutions are matrix products over the channels, the last axis of a channels-last image.
        mixed = self.depthwise_conv(x).permute(0, 2, 3, 1)  # (B, T, W, C)
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return x + self._pointwise(mixed).permute(0, 3, 1, 2)
        # The hidden layer is three times as large as the image: made in blocks, it stays in the cache and never is whole.
        blocks = [self._pointwise(block) for block in mixed.split(BLOCK_FRAMES, dim=1)]
        return torch.cat(blocks, dim=1).permute(0, 3, 1, 2).add_(x)

    def _pointwise(self, x: Float[Tensor, "B T W C"]) -> Float[Tensor, "B T W C"]:
        return pointwise(self.pointwise_conv2, swoosh_l(pointwise(self.pointwise_conv1, x)))


def pointwise(conv: nn.Conv2d, x: Float[Tensor, "B T W C"]) -> Float[Tensor, "B T W _"]:
    """A convolution of one tap, as a matrix product over the last axis."""
    return linear(x, conv.weight.flatten(1), conv.bias)


class Conv1dFrontend(nn.Module):
    """Our light front end for laptops: one convolution over 9 feature frames with stride 2, SwooshR, BiasNorm."""

    devices: Callable[..., Tensor] | None = None  # forward pass in training mode; see training_devices/
    context_frames = 0

    def __init__(self, num_mel_bins: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(num_mel_bins, dim, RECEPTIVE_FRAMES, stride=2)
        self.out_norm = BiasNorm(dim)

    def forward(self, features: Float[Tensor, "B T M"], padding: Bool[Tensor, "B T2"] | None = None) -> Float[Tensor, "B T2 D"]:
        """Transform features; no valid output frame sees padding, so `padding` is not needed."""
        if self.devices is not None and self.training:
            return self.devices(self, features, padding)
        return self.out_norm(swoosh_r(self.convolve(features)))

    def convolve(self, features: Float[Tensor, "B T M"]) -> Float[Tensor, "B T2 D"]:
        """The convolution alone."""
        # As a matrix product: convolution kernels round differently for other batch shapes, by more than the contract allows.
        features = (features - LOG_MEL_MEAN) / LOG_MEL_SPREAD
        if is_exporting():
            return self.conv(features.mT).mT
        windows = features.unfold(1, RECEPTIVE_FRAMES, 2).flatten(2)  # (B, T2, M * 9)
        return linear(windows, self.conv.weight.flatten(1), self.conv.bias)
