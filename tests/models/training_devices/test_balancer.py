"""The balancer's gradient against automatic differentiation of its penalty."""

from __future__ import annotations

import math

import pytest
import torch

from audiossl.models.training_devices.balancer import Balancer, absolute_to_rms, share_to_mean
from audiossl.models.training_devices.schedule import Clock


def slow_gradient(rows, grad, positive, size):
    """Rows of valid frames; the penalty written down and differentiated, channel by channel, in float64."""
    rows = rows.double().requires_grad_()
    means = [share_to_mean(share) for share in positive]
    sizes = [absolute_to_rms(value) for value in size]
    mean_square = rows.square().mean(0)
    m = rows.mean(0) / (mean_square - rows.mean(0).square()).sqrt()
    rms = mean_square.sqrt()
    penalty = (m - m.clamp(*means)).abs() + (rms.clamp(*sizes) / rms).log().abs()
    (slope,) = torch.autograd.grad(penalty.sum(), rows)
    rms_of_slope = slope.square().mean(0).sqrt()
    scale = torch.where(rms_of_slope > 0, 0.04 / rms_of_slope, 0.0)
    return grad + grad.abs() * (slope * scale)


def activations():
    """Channels off to either side, too large, too small, several of these at once, and one within limits."""
    x = torch.randn(3, 20, 7)
    x[..., 6] -= x[..., 6].mean()
    return x * torch.tensor([1.0, 1, 9, 0.01, 9, 0.01, 1]) + torch.tensor([2.0, -2, 0, 0, 20, -0.1, 0])


def gradient(balance, x, grad, *args):
    x = x.detach().requires_grad_()
    out = balance(x, *args)
    assert torch.equal(out, x)
    out.backward(grad)
    return x.grad


def test_gradient_is_that_of_the_penalty():
    x, grad = activations(), torch.randn(3, 20, 7)
    ours = gradient(Balancer(Clock(), (0.45, 0.55), (0.2, 4.0), 1.0), x, grad)
    expected = slow_gradient(x.flatten(0, 1), grad.flatten(0, 1).double(), (0.45, 0.55), (0.2, 4.0))
    torch.testing.assert_close(ours.flatten(0, 1).double(), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours[..., 6], grad[..., 6]), "a channel within its limits is left alone"
    added = ((ours - grad) / grad.abs())[..., 0].square().mean().sqrt()
    assert added.item() == pytest.approx(0.04, rel=1e-4)


def test_gradient_leads_into_the_limits():
    x = (torch.randn(200, 2) * torch.tensor([9.0, 1]) + torch.tensor([0.0, 1.5]))[None]
    balance = Balancer(Clock(), (0.45, 0.55), (0.2, 4.0), 1.0)
    for _ in range(1000):
        x = x - gradient(balance, x, torch.ones_like(x)) + 1.0  # the constant part of the gradient taken out
    assert x[..., 0].square().mean().sqrt().item() == pytest.approx(absolute_to_rms(4.0), rel=0.02)
    assert (x[..., 1].mean() / x[..., 1].std()).item() == pytest.approx(share_to_mean(0.55), abs=0.05)


def test_padding_and_other_channels_stay_out_of_it():
    x, grad = activations(), torch.randn(3, 20, 7)
    padding = torch.arange(20)[None] >= torch.tensor([20, 13, 5])[:, None]
    balance = Balancer(Clock(), (0.45, 0.55), (0.2, 4.0), 1.0)
    ours = gradient(balance, x.masked_fill(padding[..., None], 1e3), grad, padding, slice(1, 5))
    expected = slow_gradient(x[~padding][:, 1:5], grad[~padding][:, 1:5].double(), (0.45, 0.55), (0.2, 4.0))
    torch.testing.assert_close(ours[~padding][:, 1:5].double(), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(ours[..., 5:], grad[..., 5:])
    assert torch.equal(ours[..., 0], grad[..., 0])


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant_channel_gives_finite_gradients(value):
    x = torch.full((2, 50, 3), value)
    grad = torch.randn_like(x)
    assert (gradient(Balancer(Clock(), (0.45, 0.55), (0.2, 4.0), 1.0), x, grad) - grad).abs().max() < 1


@pytest.mark.parametrize(
    ("share", "mean"), [(0.45, -0.08167), (0.3, -0.34483), (0.05, -1.19832), (1.0, math.inf), (0.0, -math.inf)]
)
def test_shares_of_positive_values(share, mean):
    assert share_to_mean(share) == pytest.approx(mean, abs=5e-6)


def test_it_acts_as_often_as_it_should_and_only_on_gradients():
    balance = Balancer(Clock(), (0.45, 0.55), (0.2, 4.0))
    x = torch.randn(1, 2, 3, requires_grad=True)
    acted = sum(balance(x) is not x for _ in range(1000))
    assert 450 < acted < 550
    balance.clock.batch = 8000.0
    assert 90 < sum(balance(x) is not x for _ in range(1000)) < 160
    plain = x.detach()
    assert all(balance(plain) is plain for _ in range(20))
