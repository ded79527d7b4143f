"""A toy encoder with a small, known receptive field, which meets the contract exactly."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from audiossl.models.encoder import Frames


class ToyEncoder(nn.Module):
    """Frames of 32 samples every 20; each layer looks one frame to either side; the final output is at half the rate."""

    def __init__(self, sample_rate=1000.0, channels=1, dim=6, num_layers=3):
        super().__init__()
        self.hop, self.width = 20, 32
        self.sample_rate = sample_rate
        self.frame_rate = sample_rate / self.hop
        self.last_frame_rate = self.frame_rate / 2
        self.frame_offset = self.width / 2 / sample_rate
        self.dim, self.num_layers = dim, num_layers
        self.min_samples, self.alignment = self.width, self.hop
        self.front = nn.Conv1d(channels, dim, self.width, stride=self.hop)
        self.blocks = nn.ModuleList(nn.Conv1d(dim, dim, 3, padding=1) for _ in range(num_layers))

    def forward(self, signal, lengths):
        frames = self.front(signal)
        sizes = (lengths - self.width) // self.hop + 1
        keep = torch.arange(frames.shape[2])[None, None] < sizes[:, None, None]
        layers = []
        for block in self.blocks:
            frames = torch.tanh(block(frames * keep)) * keep
            layers.append(frames.mT)
        last = functional.avg_pool1d(frames, 2, ceil_mode=True, count_include_pad=False).mT
        last_sizes = (sizes + 1) // 2
        odd = last[torch.arange(len(sizes)), last_sizes - 1]  # a half-full pair is the frame itself, padded or not
        final = torch.where((sizes % 2 == 1)[:, None], layers[-1][torch.arange(len(sizes)), sizes - 1], odd)
        last = last.index_put((torch.arange(len(sizes)), last_sizes - 1), final)
        return Frames(tuple(layers), sizes, last, last_sizes)


@pytest.fixture
def toy():
    torch.manual_seed(3)
    return ToyEncoder()


@pytest.fixture(scope="session")
def make_toy():
    def make(**kwargs):
        torch.manual_seed(3)
        return ToyEncoder(**kwargs)

    return make


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Toy models are faster on one thread, and much faster on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
