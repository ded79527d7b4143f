"""Encoders of a user, outside the package: students of masked prediction, and some that lack something."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from audiossl.features.logmel import LogMel
from audiossl.models.encoder import Frames


@dataclass
class MyConfig:
    dim: int = 8
    num_mel_bins: int = 20


class MyEncoder(nn.Module):
    """Two log-mel frames a frame."""

    sample_rate, frame_rate, last_frame_rate, frame_offset = 16000.0, 50.0, 50.0, 0.01
    num_layers, min_samples, alignment = 1, 400, 320

    def __init__(self, config: MyConfig | None = None):
        super().__init__()
        self.config = config = config or MyConfig()
        self.dim, self.num_mel_bins = config.dim, config.num_mel_bins
        self.log_mel = LogMel(config.num_mel_bins)
        self.linear = nn.Linear(2 * config.num_mel_bins, config.dim)

    def compute_features(self, signal, lengths):
        return self.log_mel(signal[:, 0], lengths)

    def forward_features(self, features, lengths):
        size = features.shape[1] // 2
        frames = self.linear(features[:, : 2 * size].unflatten(1, (size, 2)).flatten(2))
        return Frames.from_layers([frames], lengths // 2)

    def forward(self, signal, lengths):
        return self.forward_features(*self.compute_features(signal, lengths))


class NoFeatures(nn.Module):
    pass


class Unsaved(MyEncoder):
    def __init__(self, dim: int = 8):
        super().__init__(MyConfig(dim=dim))


class NoBins(MyEncoder):
    def __init__(self, config: MyConfig | None = None):
        super().__init__(config)
        del self.num_mel_bins
