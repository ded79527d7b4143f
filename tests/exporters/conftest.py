"""An encoder whose frames tell where a click is."""

from __future__ import annotations

import pytest
from torch import nn

from audiossl.models.encoder import Frames


class ClickEncoder(nn.Module):
    """Energy of each whole hop of samples, in `num_layers` layers that differ by a factor."""

    num_layers = 2
    dim = 3

    def __init__(self, sample_rate=16000, hop=320):
        super().__init__()
        self.sample_rate, self.hop = float(sample_rate), hop
        self.frame_rate = self.last_frame_rate = sample_rate / hop
        self.frame_offset = hop / 2 / sample_rate
        self.min_samples = self.alignment = hop

    def forward(self, signal, lengths):
        count = signal.shape[2] // self.hop
        energy = signal[:, 0, : count * self.hop].reshape(len(signal), count, self.hop).square().sum(2)
        frames = energy[:, :, None].expand(-1, -1, self.dim)
        return Frames.from_layers([frames, 2 * frames], lengths // self.hop)


@pytest.fixture
def make_clicks():
    return ClickEncoder
