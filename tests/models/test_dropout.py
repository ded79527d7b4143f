"""Dropout on CPUs: rates, scale, gradients, and that it is a function of the random state."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.models.dropout import Dropout


@settings(deadline=None)
@given(st.floats(0.01, 0.95), st.sampled_from([torch.float32, torch.bfloat16]), st.integers(0, 100))
def test_rate_and_scale(p, dtype, seed):
    torch.manual_seed(seed)
    x = torch.ones(3, 7, 5003, dtype=dtype)
    out = Dropout(p)(x)
    dropped = (out == 0).double().mean()
    assert out.dtype == dtype and abs(float(dropped) - p) < 6 * (p * (1 - p) / x.numel()) ** 0.5 + 2**-16
    kept = out[out != 0].double()
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-2 if dtype == torch.bfloat16 else 1e-3, atol=0)


def test_dropped_numbers_are_independent_along_every_axis():
    torch.manual_seed(0)
    dropped = (Dropout(0.3)(torch.ones(64, 64, 64)) == 0).double() - 0.3
    for axis in range(3):
        first, second = dropped.narrow(axis, 0, 63), dropped.narrow(axis, 1, 63)
        assert abs(float((first * second).mean())) < 6 * 0.21 / first.numel() ** 0.5


def test_the_gradient_passes_where_numbers_do():
    torch.manual_seed(0)
    x = torch.randn(50, 40, requires_grad=True)
    out = Dropout(0.5)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x.detach(), out.detach())
    assert set(x.grad.unique().tolist()) == {0.0, 2.0}


def test_one_seed_one_mask_and_evaluation_changes_nothing():
    dropout, x = Dropout(0.2), torch.randn(9, 11)
    torch.manual_seed(5)
    first = dropout(x)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(x)) and not torch.equal(first, dropout(x))
    assert torch.equal(dropout.eval()(x), x) and torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any() and Dropout(0.5)(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_a_probability_is_from_0_to_1(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Dropout(p)
