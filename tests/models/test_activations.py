from __future__ import annotations

import pytest
import torch

from audiossl.models.activations import BiasNorm, swoosh_in_graph, swoosh_l, swoosh_r

POINTS = torch.tensor([-3.0, 0.0, 1.0, 5.0])


def test_swoosh_has_the_published_values():
    torch.testing.assert_close(swoosh_l(POINTS), torch.tensor([0.20591, -0.01685, -0.06641, 0.87826]), atol=5e-6, rtol=0)
    torch.testing.assert_close(swoosh_r(POINTS), torch.tensor([-0.05511, 0.0, 0.29989, 3.30489]), atol=5e-6, rtol=0)


@pytest.mark.parametrize("swoosh", [swoosh_l, swoosh_r])
def test_swoosh_gradient_is_that_of_the_formula(swoosh):
    x = torch.linspace(-8, 12, 40, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(swoosh, (x,))


@pytest.mark.parametrize("swoosh", [swoosh_l, swoosh_r])
def test_swoosh_stays_finite_far_out_and_keeps_the_type(swoosh):
    x = torch.tensor([-1e4, 1e4], dtype=torch.bfloat16, requires_grad=True)
    out = swoosh(x)
    out.sum().backward()
    assert out.dtype == torch.bfloat16
    assert x.grad is not None
    torch.testing.assert_close(x.grad.float(), torch.tensor([-0.08, 0.92]), atol=4e-3, rtol=0)
    assert out.isfinite().all()


def test_bias_norm_has_the_published_values():
    norm = BiasNorm(4)
    torch.nn.init.zeros_(norm.bias)
    expected = torch.tensor([0.99258, 1.98515, 2.97773, 3.97030])
    torch.testing.assert_close(norm(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))[0, 0], expected, atol=5e-6, rtol=0)


def test_bias_norm_removes_the_scale_of_unbiased_channels():
    norm = BiasNorm(8)
    torch.nn.init.zeros_(norm.bias)
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(norm(100 * x), norm(x))
    torch.testing.assert_close(norm(x).square().mean(-1).sqrt(), torch.full((2, 3), 2.718281828))


@pytest.mark.parametrize(("swoosh", "numbers"), [(swoosh_l, (4.0, 0.035)), (swoosh_r, (1.0, 0.313261687))])
def test_swoosh_of_graphs_is_the_same_far_out_as_well(swoosh, numbers):
    x = torch.cat([torch.linspace(-200, 200, 4001), torch.tensor([-1e6, 1e6, 0.0])])
    torch.testing.assert_close(swoosh_in_graph(x, *numbers), swoosh(x), atol=1e-5, rtol=1e-6)
