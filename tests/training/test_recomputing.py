"""Layers that run again in the backward pass give the same gradients, with the same draws."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from audiossl.models import Zipformer
from audiossl.models.training_devices import TrainingDevices
from audiossl.training.recomputing import recomputed


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Tanh()) for _ in range(3))
        self.layers = nn.ModuleList([*layers, nn.BatchNorm1d(6)])
        self.calls = 0
        self.layers[0].register_forward_hook(lambda *_: setattr(self, "calls", self.calls + 1))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def test_gradients_draws_and_statistics_are_the_same():
    ends = []
    for again in (False, True):
        torch.manual_seed(1)
        stack, x = Stack(), torch.randn(5, 6)
        with recomputed(stack, again):
            stack(x).sin().sum().backward()
        ends.append([*(param.grad for param in stack.parameters()), *stack.buffers(), torch.rand(1)])
        assert "forward" not in vars(stack.layers[0])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


@pytest.mark.parametrize("devices", [False, True])
def test_a_student_with_devices_learns_the_same(devices: bool):
    ends = []
    for again in (False, True):
        torch.manual_seed(2)
        sizes = {"num_mel_bins": 20, "encoder_dim": (32,) * 5, "feedforward_dim": (32,) * 5, "encoder_unmasked_dim": (16,) * 5}
        model = Zipformer.from_preset("tiny", **sizes).train()
        model.use_training_devices(TrainingDevices(enabled=devices), 30.0)
        with recomputed(model, again):
            torch.manual_seed(3)
            model(torch.randn(3, 1, 8000), torch.tensor([8000, 6000, 7000])).last.square().sum().backward()
        ends.append([param.grad for param in model.parameters() if param.grad is not None])
    assert len(ends[0]) > 50
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
