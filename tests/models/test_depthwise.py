from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.models.depthwise import DepthwiseConv, _DepthwiseOnCpu


@pytest.mark.parametrize(("frames", "kernel"), [(1, 5), (3, 7), (20, 1), (20, 7)])
def test_output_and_gradients_equal_the_convolution_of_torch(frames, kernel):
    conv = DepthwiseConv(6, kernel)
    x = torch.randn(3, frames, 6, requires_grad=True)
    direction = torch.randn(3, frames, 6)
    inputs = (x, conv.weight, conv.bias)
    ours = conv(x)
    expected = F.conv1d(x.transpose(1, 2), conv.weight, conv.bias, padding=kernel // 2, groups=6).transpose(1, 2)
    torch.testing.assert_close(ours, expected)
    grads = torch.autograd.grad(ours, inputs, direction)
    for grad, wanted in zip(grads, torch.autograd.grad(expected, inputs, direction), strict=True):
        torch.testing.assert_close(grad, wanted, atol=1e-5, rtol=1e-5)


def test_gradient_is_that_of_the_function():
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_DepthwiseOnCpu.apply, (x, weight, bias))


def test_frozen_weights_still_pass_the_gradient_on():
    conv = DepthwiseConv(4, 3).requires_grad_(False)
    x = torch.randn(1, 5, 4, requires_grad=True)
    conv(x).sum().backward()
    assert conv.weight.grad is None
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
