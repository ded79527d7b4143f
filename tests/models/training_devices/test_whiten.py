"""The whitening metric and its gradient against automatic differentiation."""

from __future__ import annotations

import pytest
import torch

from audiossl.models.training_devices.schedule import Clock, Schedule
from audiossl.models.training_devices.whiten import Whiten


def slow_metric(rows, groups):
    """Group by group and entry by entry."""
    width = rows.shape[1] // groups
    squares, traces = [], []
    for group in rows.split(width, dim=1):
        centred = group - group.mean(0)
        covariance = sum(torch.outer(row, row) for row in centred) / len(rows)
        squares.append(torch.trace(covariance @ covariance) / width)
        traces.append(torch.trace(covariance) / width)
    return torch.stack(squares).mean() / torch.stack(traces).mean() ** 2


def correlated(groups=1):
    mixing = torch.randn(6, 6) * torch.tensor([3.0, 1, 1, 0.2, 0.2, 0.2])[:, None]
    return torch.randn(2, 15, 6) @ mixing + 1.0


def gradient(whiten, x, grad, *args):
    x = x.detach().requires_grad_()
    out = whiten(x, *args)
    assert torch.equal(out, x)
    out.backward(grad)
    return x.grad


@pytest.mark.parametrize("groups", [1, 2])
def test_gradient_is_that_of_the_metric_rescaled(groups):
    x, grad = correlated(), torch.randn(2, 15, 6)
    rows = x.flatten(0, 1).double().requires_grad_()
    metric = slow_metric(rows, groups)
    metric.backward()
    expected = rows.grad * (0.02 * grad.double().norm() / rows.grad.norm())
    limit = metric.item()
    ours = gradient(Whiten(Clock(), limit * 0.99, 0.02, groups, 1.0), x, grad) - grad
    torch.testing.assert_close(ours.flatten(0, 1).double(), expected, atol=1e-6, rtol=1e-4)
    assert torch.equal(gradient(Whiten(Clock(), limit * 1.01, 0.02, groups, 1.0), x, grad), grad)


def test_padding_and_other_channels_stay_out_of_it():
    x, grad = correlated(), torch.randn(2, 15, 6)
    padding = torch.arange(15)[None] >= torch.tensor([15, 6])[:, None]
    whiten = Whiten(Clock(), 1.0, 0.02, 1, 1.0)
    ours = gradient(whiten, x.masked_fill(padding[..., None], 1e3), grad, padding, slice(2, 6)) - grad
    rows = x[~padding][:, 2:].double().requires_grad_()
    slow_metric(rows, 1).backward()
    expected = rows.grad * (0.02 * grad[..., 2:].double().norm() / rows.grad.norm())
    torch.testing.assert_close(ours[~padding][:, 2:].double(), expected, atol=1e-6, rtol=1e-4)
    assert ours[padding].abs().max() == 0
    assert ours[..., :2].abs().max() == 0


def test_following_the_gradient_whitens():
    x, whiten = correlated(), Whiten(Clock(), 1.0, 1.0, 1, 1.0)
    before = slow_metric(x.flatten(0, 1), 1)
    for _ in range(200):
        grad = torch.randn_like(x) * 0.02
        x = x - (gradient(whiten, x, grad) - grad)
    assert slow_metric(x.flatten(0, 1), 1) < 0.5 * before


def test_the_limit_follows_its_schedule():
    x, grad = correlated(), torch.randn(2, 15, 6)
    metric = slow_metric(x.flatten(0, 1), 1).item()
    whiten = Whiten(Clock(), Schedule((0, metric * 0.9), (100, metric * 1.1)), probability=1.0)
    assert not torch.equal(gradient(whiten, x, grad), grad)
    whiten.clock.batch = 100.0
    assert torch.equal(gradient(whiten, x, grad), grad)
