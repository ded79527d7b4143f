"""Log-mel features as an encoder: the baseline that every learned representation has to beat, and a teacher without weights."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.features.logmel import HOP, LogMel
from audiossl.models.encoder import Frames


class LogMelEncoder(nn.Module):
    """Kaldi log-mel frames, one layer; `stride` keeps every n-th frame so that the rate matches a slower encoder.

    Args:
        num_mel_bins: width.
        stride: 1 for 100 frames per second, 2 for 50.
    """

    sample_rate = 16000.0
    num_layers = 1
    min_samples = HOP // 2

    def __init__(self, num_mel_bins: int = 80, stride: int = 1) -> None:
        super().__init__()
        self.features = LogMel(num_mel_bins)
        self.stride = stride
        self.dim = num_mel_bins
        self.frame_rate = self.last_frame_rate = LogMel.frame_rate / stride
        self.frame_offset = 0.5 / LogMel.frame_rate
        self.alignment = HOP * stride

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Compute log-mel frames of 16 kHz mono audio."""
        features, num_frames = self.features(signal[:, 0], lengths)
        return Frames.from_layers(
            [features[:, :: self.stride]], torch.div(num_frames + self.stride - 1, self.stride, rounding_mode="floor")
        )
