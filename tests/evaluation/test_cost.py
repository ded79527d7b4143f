"""Costs: operations counted by hand, parameters, and a process of its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audiossl.embedding.embedder import Embedder
from audiossl.errors import ConfigError
from audiossl.evaluation.cost import measure_cost
from audiossl.evaluation.encoder_cost import cost_of
from audiossl.models.encoder import Frames
from audiossl.models.linear import Linear


class Products(nn.Module):
    """One convolution of width and stride 160, two products 50 wide, one of them by oneDNN where that is on, and attention."""

    sample_rate, frame_rate, last_frame_rate, frame_offset = 16000.0, 100.0, 100.0, 0.0
    dim, num_layers, min_samples, alignment = 50, 1, 160, 160

    def __init__(self):
        super().__init__()
        self.front = nn.Conv1d(1, 50, 160, stride=160, bias=False)
        self.one, self.two = nn.Linear(50, 50, bias=False), Linear(50, 50, bias=False)

    def forward(self, signal, lengths):
        frames = self.two(self.one(self.front(signal).mT))
        frames = nn.functional.scaled_dot_product_attention(frames, frames, frames)
        return Frames.from_layers([frames], lengths // 160)


def test_operations_and_parameters_by_hand():
    cost = cost_of(Embedder(Products()))
    assert cost.num_parameters == 50 * 160 + 2 * 50 * 50
    frames = 1000  # of 10 s
    products = 2 * frames * 50 * (160 + 50 + 50) + 2 * 2 * frames * frames * 50
    assert cost.gflop * 1e9 * 10 == pytest.approx(products, rel=1e-9)
    assert 0 < cost.cpu_seconds < 1 and 0.05 < cost.peak_gib < 100
    assert torch.backends.mkldnn.enabled


def test_a_process_of_its_own_says_why_it_fails():
    cost = measure_cost("logmel")
    assert cost.num_parameters == 0 and 0.05 < cost.peak_gib < 2
    with pytest.raises(ConfigError, match=r"'nothing' cannot be measured.*holds no config\.json"):
        measure_cost("nothing")
