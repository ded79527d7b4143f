import pytest
import torch
from torch.nn import functional

from audiossl.models.resnet1d import ResNet1d, ResNet1dConfig
from audiossl.objectives.pooling import mean_frame
from audiossl.objectives.window_batch import WindowBatch
from audiossl.objectives.window_labels import LabelledWindowBatch, WindowLabels

SMALL = ResNet1dConfig(width=8, num_blocks=2, dim=16, dropout=0.0)


def batch():
    names = [f"w{i}" for i in range(8)]
    return WindowBatch(torch.randn(8, 2, 32), torch.full((8,), 32), names, names, 50.0)


def test_classes_have_cross_entropy_and_the_most_probable_is_answered():
    objective, windows = WindowLabels(ResNet1d(2, 50.0, SMALL), 3).eval(), batch()
    y = torch.arange(8) % 3
    logits = objective.head(mean_frame(objective.encoder(windows.signal, windows.lengths)))
    loss = objective(LabelledWindowBatch(windows, y))
    assert loss.mean() == pytest.approx(float(functional.cross_entropy(logits, y).detach()), rel=1e-5)
    assert torch.equal(objective.answer(windows), logits.argmax(1))


def test_quantities_are_answered_in_their_unit():
    objective, windows = WindowLabels(ResNet1d(2, 50.0, SMALL), 0, mean=70.0, deviation=10.0).eval(), batch()
    objective.head.weight.data.zero_()
    objective.head.bias.data.fill_(0.5)
    assert objective.answer(windows).tolist() == [75.0] * 8
    loss = objective(LabelledWindowBatch(windows, torch.full((8,), 90.0)))
    assert loss.mean() == pytest.approx((0.5 - 2.0) ** 2)
