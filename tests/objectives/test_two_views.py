from dataclasses import replace

import pytest
import torch
from torch import nn
from window_examples import small_resnet, windows

from audiossl.objectives.augmentations import augment
from audiossl.objectives.simclr import SimCLR
from audiossl.objectives.two_views import TwoViews, mlp


@pytest.mark.parametrize(
    ("batch_norm", "kinds"),
    [(False, [nn.Linear, nn.ReLU, nn.Linear]), (True, [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear])],
)
def test_only_hidden_layers_have_a_norm_and_a_ramp(batch_norm, kinds):
    layers = mlp([3, 4, 5], batch_norm)
    assert [type(layer) for layer in layers] == kinds
    assert layers(torch.randn(6, 3)).shape == (6, 5) and [type(layer) for layer in mlp([3, 4], True)] == [nn.Linear]


def test_views_are_drawn_by_seed_epoch_window_and_number():
    objective, batch = SimCLR(small_resnet()), windows(8)
    views = [signal for signal, _ in objective.views(batch)]
    for number, view in enumerate(views):
        expected = augment(batch.signal, batch.lengths, batch.ids, (3, 1, number), objective.config.augmentations)
        assert torch.equal(view, expected)
    assert not torch.equal(*views)
    assert not torch.equal(objective.views(replace(batch, epoch=2))[0][0], views[0])


def test_means_become_sums_with_a_weight():
    terms = {"near": torch.tensor(2.0, requires_grad=True), "far": torch.tensor(0.5)}
    loss = TwoViews.as_loss(terms, 4)
    assert (float(loss.total.detach()), loss.weight, loss.mean(), loss.means()) == (10.0, 4.0, 2.5, {"near": 2.0, "far": 0.5})
    assert loss.total.requires_grad and not any(part.total.requires_grad for part in loss.parts.values())
