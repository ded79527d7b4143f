from __future__ import annotations

import copy

import pytest
import torch

from audiossl.models.int8 import Int8Linear, quantise_int8
from audiossl.models.linear import Linear


@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 3, 6)])
def test_the_product_is_that_of_rounded_rows(shape):
    layer, x = Linear(6, 4), torch.randn(shape)
    x_step = x.abs().amax(-1, keepdim=True) / 127
    weight_step = layer.weight.abs().amax(1, keepdim=True) / 127
    rounded_x, rounded_weight = (x / x_step).round() * x_step, (layer.weight / weight_step).round() * weight_step
    with torch.no_grad():
        torch.testing.assert_close(Int8Linear(layer)(x), rounded_x @ rounded_weight.T + layer.bias)


def test_frames_of_zeros_and_layers_without_bias_work():
    out = Int8Linear(Linear(6, 4, bias=False))(torch.zeros(2, 6))
    assert (out == 0).all()


def test_other_frames_change_nothing():
    layer, x = Int8Linear(Linear(6, 4)), torch.randn(5, 6)
    together = layer(torch.cat([x, 100 * torch.randn(20, 6)]))
    torch.testing.assert_close(together[:5], layer(x), atol=0, rtol=0)


def test_layers_are_close_and_queries_and_keys_exact(make_small):
    model = make_small(frontend="conv2d")
    small = quantise_int8(copy.deepcopy(model))
    kept = [name for name, module in small.named_modules() if isinstance(module, Linear)]
    assert kept
    assert all("self_attn_weights" in name for name in kept)
    batch, sizes = torch.randn(2, 61, 16) * 3 - 8, torch.tensor([61, 61])
    with torch.no_grad():
        exact, rounded = model.forward_features(batch, sizes), small.forward_features(batch, sizes)
    for layer, expected in zip(rounded.layers, exact.layers, strict=True):
        assert 1e-4 < (layer - expected).norm() / expected.norm() < 0.05
