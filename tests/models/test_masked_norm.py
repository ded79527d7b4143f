import pytest
import torch
from torch import nn

from audiossl.models.masked_norm import MaskedBatchNorm


@pytest.mark.parametrize("inner", [(), (3,)])
def test_without_a_mask_it_is_batch_normalisation(inner):
    x = torch.randn(4, 5, *inner, 7)
    plain = (nn.BatchNorm2d if inner else nn.BatchNorm1d)(5)
    torch.testing.assert_close(MaskedBatchNorm(5)(x), plain(x))


@pytest.mark.parametrize("inner", [(), (3,)])
def test_statistics_come_from_valid_positions_and_padding_comes_out_as_zero(inner):
    x = torch.randn(2, 5, *inner, 7)
    valid = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    norm, plain = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    y = norm(x, valid)
    rows = torch.cat([x[0].movedim(0, -1).reshape(-1, 5), x[1, ..., :4].movedim(0, -1).reshape(-1, 5)])
    plain(rows)
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    torch.testing.assert_close(norm.running_var, plain.running_var)
    mean, deviation = rows.mean(0), (rows.var(0, correction=0) + norm.eps).sqrt()
    shape = (5, *[1] * len(inner), 1)
    torch.testing.assert_close(y[1, ..., :4], (x[1, ..., :4] - mean.view(shape)) / deviation.view(shape), rtol=1e-4, atol=1e-5)
    assert not y[1, ..., 4:].any()
    norm.eval()
    assert not norm(x, valid)[1, ..., 4:].any()
