"""A light decoder from an encoder's frames back to samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from audiossl.models.encoder import Encoder, Frames


class FrameDecoder(nn.Module):
    """Linear layers with GELU on each frame, then one transposed convolution as long as a frame.

    Each frame gives the samples around its centre, as far as there are whole frames from the start of the signal. No frame looks
    at another one, so those of padding say nothing of the signal.

    Args:
        encoder: encoder whose final output is decoded.
        hidden: widths of the layers before the convolution.

    >>> from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
    >>> encoder = ResNet1d(3, 50.0, ResNet1dConfig(width=4, num_blocks=2, dim=8))
    >>> FrameDecoder(encoder, [16])(torch.zeros(2, 32, 8), size=64).shape
    torch.Size([2, 3, 64])
    """

    def __init__(self, encoder: Encoder, hidden: Sequence[int]) -> None:
        super().__init__()
        self.hop = samples_per_frame(encoder)
        self.first = max(0, round(encoder.frame_offset * encoder.sample_rate - self.hop / 2))
        widths = [encoder.dim, *hidden]
        layers: list[nn.Module] = []
        for before, after in zip(widths, hidden, strict=False):
            layers += [nn.Linear(before, after), nn.GELU()]
        self.layers = nn.Sequential(*layers)
        self.out = nn.ConvTranspose1d(widths[-1], channels_of(encoder), self.hop, self.hop)

    def forward(self, frames: Float[Tensor, "B T D"], size: int) -> Float[Tensor, "B C {size}"]:
        """Samples from the start of the signal; 0 where `covers` says that no frame is."""
        samples = self.out(self.layers(frames.float()).transpose(1, 2))
        return nn.functional.pad(samples, (self.first, max(0, size - self.first - samples.shape[2])))[..., :size]

    def covers(self, num_frames: Int[Tensor, "B"], lengths: Int[Tensor, "B"], size: int) -> Bool[Tensor, "B {size}"]:
        """Valid samples that are decoded from valid frames."""
        place = torch.arange(size, device=lengths.device)
        end = torch.minimum(self.first + num_frames * self.hop, lengths)[:, None]
        return (place >= self.first) & (place < end)


def share_of_frames(
    mask: Bool[Tensor, "B S"], frames: Frames, lengths: Int[Tensor, "B"], encoder: Encoder
) -> Float[Tensor, "B T"]:
    """Share of the valid samples under each frame that a mask marks; 0 where there are none.

    Args:
        mask: mark of each sample.
        frames: frames of the signals.
        lengths: valid samples.
        encoder: encoder that the frames are of.
    """
    hop, size = samples_per_frame(encoder), frames.last.shape[1]
    first = max(0, round(encoder.frame_offset * encoder.sample_rate - hop / 2))
    valid = torch.arange(mask.shape[1], device=mask.device) < lengths[:, None]
    both = torch.stack([mask & valid, valid]).float()[..., first : first + size * hop]
    marked, there = nn.functional.pad(both, (0, size * hop - both.shape[2])).unflatten(2, (size, hop)).sum(3)
    return marked / there.clamp(min=1)


def samples_per_frame(encoder: Encoder) -> int:
    """Samples of the signal for each frame of the final output."""
    return max(1, round(encoder.sample_rate / encoder.last_frame_rate))


def channels_of(encoder: Encoder) -> int:
    """Channels that an encoder takes; encoders of audio, which do not say, take one."""
    of_graph = len(cast(Sequence[object], getattr(encoder, "regions", ())))
    return int(getattr(encoder, "num_channels", 0)) or of_graph or 1
