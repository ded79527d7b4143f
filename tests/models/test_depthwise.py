from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.models.depthwise import DepthwiseConv, _DepthwiseOnCpu


@pytest.mark.parametrize(
    ("frames", "kernel", "causal"), [(1, 5, False), (3, 7, False), (20, 1, False), (20, 7, False), (20, 4, True)]
)
def test_output_and_gradients_equal_the_convolution_of_torch(frames, kernel, causal):
    conv = DepthwiseConv(6, kernel, causal)
    x = torch.randn(3, frames, 6, requires_grad=True)
    direction = torch.randn(3, frames, 6)
    inputs = (x, conv.weight, conv.bias)
    ours = conv(x)
    padded = F.pad(x.transpose(1, 2), (kernel - 1, 0) if causal else (kernel // 2, kernel // 2))
    expected = F.conv1d(padded, conv.weight, conv.bias, groups=6).transpose(1, 2)
    torch.testing.assert_close(ours, expected)
    grads = torch.autograd.grad(ours, inputs, direction)
    for grad, wanted in zip(grads, torch.autograd.grad(expected, inputs, direction), strict=True):
        torch.testing.assert_close(grad, wanted, atol=1e-5, rtol=1e-5)


def test_other_types_give_the_same_values():
    for conv in (DepthwiseConv(4, 5), DepthwiseConv(4, 4, causal=True)):
        x = torch.randn(2, 9, 4)
        expected = conv(x)
        torch.testing.assert_close(conv.double()(x.double()).float(), expected)


@pytest.mark.parametrize("before", [2, 4])
def test_gradient_is_that_of_the_function(before):
    x = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_DepthwiseOnCpu.apply, (x, weight, bias, before))


def test_frozen_weights_still_pass_the_gradient_on():
    conv = DepthwiseConv(4, 3).requires_grad_(False)
    x = torch.randn(1, 5, 4, requires_grad=True)
    conv(x).sum().backward()
    assert conv.weight.grad is None
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
