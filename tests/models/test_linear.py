from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from audiossl.models import linear as products
from audiossl.models.linear import Linear, batched_product, padded_rows


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 7, 5), (0, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_equal_those_of_torch(shape, bias):
    layer = Linear(5, 4, bias=bias)
    x, direction = torch.randn(shape, requires_grad=True), torch.randn(*shape[:-1], 4)
    inputs = [x, *layer.parameters()]
    ours, expected = layer(x), F.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(ours, expected)
    wanted = torch.autograd.grad(expected, inputs, direction)
    for grad, want in zip(torch.autograd.grad(ours, inputs, direction), wanted, strict=True):
        torch.testing.assert_close(grad, want)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected)


def test_a_gradient_without_strides_of_its_own_is_taken():
    layer = Linear(5, 4)
    layer(torch.randn(6, 5)).sum().backward()  # the gradient of a sum is one number, spread out
    torch.testing.assert_close(layer.bias.grad, torch.full((4,), 6.0))


def test_frozen_weights_still_pass_the_gradient_on():
    layer = Linear(4, 3).requires_grad_(False)
    x = torch.randn(2, 4, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(2, 4))


def test_other_types_and_autocast_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(products, "_product", None)
    layer, x = Linear(5, 4), torch.randn(3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.double()(x.double()).dtype == torch.float64
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert layer.float()(x).dtype == torch.float32


@pytest.mark.parametrize(("frames", "keys"), [(3, 4), (210, 230)])
def test_batched_products_of_strided_matrices_equal_those_of_torch(frames, keys):
    a = torch.randn(2, 3, frames, keys + 5)[..., :keys]
    b = torch.randn(2, keys, 3, 12).transpose(1, 2)
    with torch.no_grad():
        torch.testing.assert_close(batched_product(a, b), a @ b, atol=1e-4, rtol=0)  # sums of up to 230
        torch.testing.assert_close(batched_product(a[:, 0], b[:, 0]), a[:, 0] @ b[:, 0], atol=1e-4, rtol=0)


def test_products_come_in_few_sizes():
    """oneDNN compiles a product for its very sizes; rows below, of zeros, change neither values nor gradients."""
    torch.manual_seed(0)
    counts = {len(padded_rows(torch.ones(rows, 1))) for rows in range(1024, 2049)}
    assert counts == {1024 + 128 * step for step in range(9)}
    layer, plain = Linear(24, 40), nn.Linear(24, 40)
    plain.load_state_dict(layer.state_dict())
    inputs = [torch.randn(3, 37, 24).requires_grad_() for _ in range(1)]
    other = inputs[0].detach().clone().requires_grad_()
    for module, x in ((layer, inputs[0]), (plain, other)):
        (module(x).sin() * torch.arange(40.0)).sum().backward()
    torch.testing.assert_close(inputs[0].grad, other.grad, rtol=1e-5, atol=1e-4)
    for one, two in zip(layer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-5, atol=1e-3)
