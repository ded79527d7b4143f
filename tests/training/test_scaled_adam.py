"""ScaledAdam against a literal, slow transcription of its definition."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from audiossl.training.eden import Eden
from audiossl.training.scaled_adam import ScaledAdam

SHAPES = [(4, 3), (4, 3), (5,), (5,), (2, 3, 2), (), (1,), (1,)]


class SlowScaledAdam:
    """One tensor at a time, in plain steps."""

    def __init__(self, params):
        self.params, self.states = params, []
        for p in params:
            state = {"delta": torch.zeros_like(p), "v": torch.zeros_like(p), "step": 0}
            if p.numel() > 1:
                state |= {"rms": (p**2).mean().sqrt(), "sg": torch.zeros(4), "vs": torch.tensor(0.0)}
            self.states.append(state)
        self.ring, self.steps, self.threshold, self.factors = torch.zeros(100), 0, None, []

    def clipping(self, grads):
        step, self.steps = self.steps, self.steps + 1
        if step == 0:
            return 1.0
        total = sum(((g * s["rms"]) ** 2).sum() if "rms" in s else (g**2).sum() for g, s in zip(grads, self.states, strict=True))
        norm = torch.sqrt(total)
        self.ring[step % 100] = norm
        if step % 100 == 0:
            self.threshold = 2.0 * self.ring.sort().values[50]
        return 1.0 if step < 100 else min(1.0, float(self.threshold / (norm + 1e-20)))

    def step(self, grads, lr):
        b1, b2, eps = 0.9, 0.98, 1e-8
        factor = self.clipping(grads)
        self.factors.append(factor)
        for p, s, grad in zip(self.params, self.states, grads, strict=True):
            grad = grad * factor
            step = s["step"]
            s["v"] = b2 * s["v"] + (1 - b2) * grad**2
            c = 1 - b2 ** (step + 1)
            if p.numel() == 1:
                s["delta"] = b1 * s["delta"] - 0.1 * lr * (1 - b1) * grad / (torch.sqrt(s["v"] / c) + eps)
                p.copy_(p.clamp(-10, 10) + s["delta"])
            else:
                s["delta"] = b1 * s["delta"]
                s["sg"][step % 4] = (p * grad).sum()
                if step % 4 == 3:
                    s["rms"] = (p**2).mean().sqrt()
                    b = b2**4
                    s["vs"] = b * s["vs"] + (1 - b) * (s["sg"] ** 2).mean()
                    k = -lr * 0.1 * math.sqrt(1 - b ** ((step + 1) / 4)) * s["sg"].sum() / (s["vs"].sqrt() + eps)
                    k = torch.tensor(0.0) if s["rms"] < 1e-5 else k
                    k = torch.minimum(k, (3.0 - s["rms"]) / s["rms"])
                    s["delta"] = s["delta"] + (1 - b1) * k * p
                v_hat = s["v"] / c if c < 0.99 else s["v"]
                s["delta"] = s["delta"] - lr * (1 - b1) * max(s["rms"], torch.tensor(1e-5)) * grad / (v_hat.sqrt() + eps)
                p.copy_(p + s["delta"])
            s["step"] += 1


def make_params():
    generator = torch.Generator().manual_seed(3)
    params = [torch.randn(shape, generator=generator) for shape in SHAPES]
    params[3].zero_()  # a bias
    params[4].mul_(4)  # above the largest rms
    params[6].fill_(30.0)  # above the bound of scalars
    return params


def gradients(params, step):
    """Of a quadratic around 0.5, with noise, and bursts that call for clipping."""
    generator = torch.Generator().manual_seed(100 + step)
    burst = 50.0 if step % 37 == 5 else 1.0
    return [(p - 0.5 + 0.3 * torch.randn(p.shape, generator=generator)) * burst for p in params]


@torch.no_grad()
def test_equals_slow_transcription():
    slow_params, params = make_params(), [nn.Parameter(p) for p in make_params()]
    slow, fast = SlowScaledAdam(slow_params), ScaledAdam(params)
    schedule = Eden(0.045, seconds_per_step=3600.0, steps=100.0, hours=200.0, warmup_steps=50)
    for step in range(450):
        lr = schedule(step)
        slow.step(gradients(slow_params, step), lr)
        for param, grad in zip(params, gradients(params, step), strict=True):
            param.grad = grad
        for group in fast.param_groups:
            group["lr"] = lr
        fast.step()
    assert sum(factor < 1 for factor in slow.factors) >= 8, "the test should see clipping"
    for slow_param, param in zip(slow_params, params, strict=True):
        torch.testing.assert_close(param.data, slow_param, atol=1e-6, rtol=0)


@torch.no_grad()
def test_resumes_exactly_from_state_dict():
    def run(params, optimiser, steps):
        for step in steps:
            for param, grad in zip(params, gradients(params, step), strict=True):
                param.grad = grad
            optimiser.step()

    straight = [nn.Parameter(p) for p in make_params()]
    run(straight, ScaledAdam(straight), range(230))
    params = [nn.Parameter(p) for p in make_params()]
    first = ScaledAdam(params)
    run(params, first, range(113))
    state = copy.deepcopy(first.state_dict())
    second = ScaledAdam(params)
    second.load_state_dict(state)
    run(params, second, range(113, 230))
    assert all(torch.equal(a, b) for a, b in zip(straight, params, strict=True))


@torch.no_grad()
def test_a_gradient_that_is_not_finite_leaves_no_trace():
    params = [nn.Parameter(p) for p in make_params()]
    optimiser = ScaledAdam(params)
    for step in range(3):
        for param, grad in zip(params, gradients(params, step), strict=True):
            param.grad = grad
        if step == 2:
            params[0].grad[0, 0] = math.nan
        optimiser.step()
    assert all(param.isfinite().all() for param in params)
    assert all(value.isfinite().all() for state in optimiser.state.values() for value in state.values() if torch.is_tensor(value))


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@torch.no_grad()
def test_scale_of_the_loss_does_not_matter(scale):
    paths = []
    for factor in (1.0, scale):
        params = [nn.Parameter(p) for p in make_params()]
        optimiser = ScaledAdam(params, eps=0.0)
        for step in range(60):
            for param, grad in zip(params, gradients(params, step), strict=True):
                param.grad = grad * factor
            optimiser.step()
        paths.append(params)
    for a, b in zip(*paths, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_trains():
    torch.manual_seed(0)
    inputs = torch.randn(256, 8)
    target = torch.sin(inputs @ torch.randn(8, 3))
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 3))
    optimiser = ScaledAdam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(200):
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]


@torch.no_grad()
@pytest.mark.parametrize("large", [1, 10**9])
def test_stacks_rows_and_lists_give_the_same(monkeypatch, large):
    """A CPU updates large tensors where they lie and stacks one after the other; an accelerator all stacks in one call."""
    monkeypatch.setattr("audiossl.training.scaled_adam.LARGE", large)
    paths = []
    for at_once in (False, True):
        if at_once:
            monkeypatch.setattr("audiossl.training.scaled_adam._batches", all_at_once)
        params = [nn.Parameter(p) for p in make_params()]
        optimiser = ScaledAdam(params)
        for step in range(130):
            for param, grad in zip(params, gradients(params, step), strict=True):
                param.grad = grad
            optimiser.step()
        paths.append(params)
    for one, other in zip(*paths, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def all_at_once(stacks):
    scalars = [stack for stack in stacks if stack.params[0].numel() == 1]
    return [[stack for stack in stacks if stack.params[0].numel() > 1], scalars]


@torch.no_grad()
def test_a_state_of_commit_ba6cba2_goes_on():
    """Its memory of norms held numbers, where there is a tensor now."""
    ends = []
    for as_numbers in (False, True):
        params = [nn.Parameter(p) for p in make_params()]
        optimiser = ScaledAdam(params)
        for step in range(230):
            if step == 113 and as_numbers:
                state = copy.deepcopy(optimiser.state_dict())
                memory = state["param_groups"][0]
                memory["clipping_norms"] = memory["clipping_norms"].tolist()
                memory["clipping_threshold"] = float(memory["clipping_threshold"])
                optimiser = ScaledAdam(params)
                optimiser.load_state_dict(state)
            for param, grad in zip(params, gradients(params, step), strict=True):
                param.grad = grad
            optimiser.step()
        ends.append(params)
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
