"""Log-mel features as an encoder: the baseline that every learned representation has to beat, and a teacher without weights."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.encoder_names import Wanted
from audiossl.errors import ConfigError
from audiossl.features.logmel import HOP, LogMel
from audiossl.models.building import make_encoder
from audiossl.models.encoder import Encoder, Frames


class LogMelEncoder(nn.Module):
    """Kaldi log-mel frames, one layer, at a rate that matches a slower encoder, alone or with their neighbours.

    Args:
        num_mel_bins: bins of each feature frame.
        stride: feature frames per frame: 1 for 100 frames per second, 2 for 50.
        stack: feature frames around the centre of each frame that are laid side by side; the width is `stack * num_mel_bins`. At
            the ends of a clip its first and last feature frames are repeated.

    Raises:
        ConfigError: if `stride` or `stack` is not positive.
    """

    sample_rate = 16000.0
    num_layers = 1
    min_samples = HOP // 2

    def __init__(self, num_mel_bins: int = 80, stride: int = 1, stack: int = 1) -> None:
        super().__init__()
        if min(stride, stack) < 1:
            raise ConfigError(f"stride and stack of log-mel frames are 1 or more, got {stride} and {stack}")
        self.features = LogMel(num_mel_bins)
        self.stride, self.stack = stride, stack
        self.dim = num_mel_bins * stack
        self.frame_rate = self.last_frame_rate = LogMel.frame_rate / stride
        self.first = (stride - stack) // 2 if stack > 1 else 0  # feature frame at which frame 0 begins
        self.frame_offset = (self.first + stack / 2) / LogMel.frame_rate
        self.alignment = HOP * stride

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Compute log-mel frames of 16 kHz mono audio."""
        features, counts = self.features(signal[:, 0], lengths)
        starts = torch.arange(self.first, self.first + features.shape[1], self.stride, device=features.device)
        places = (starts[:, None] + torch.arange(self.stack, device=features.device)).flatten()
        index = places.clamp(min=0)[None].minimum(counts[:, None] - 1)
        frames = features.gather(1, index[:, :, None].expand(-1, -1, features.shape[2])).view(
            len(features), len(starts), self.dim
        )
        return Frames.from_layers([frames], torch.div(counts + self.stride - 1, self.stride, rounding_mode="floor"))


def load_named(wanted: Wanted) -> Encoder:
    """`logmel`, see `audiossl.encoder_names`.

    Raises:
        ConfigError: for an option that there is not, or a value of another type.
    """
    return make_encoder(LogMelEncoder, wanted.options)
