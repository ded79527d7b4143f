"""Codes by Sinkhorn-Knopp, and their prediction."""

import math

import pytest
import torch

from audiossl.objectives.swapped_clusters import predict_code, sinkhorn


def test_codes_are_those_of_plain_scaling():
    scores = torch.randn(12, 5).tanh()
    matrix = (scores.double() / 0.05).exp()
    for _ in range(3):
        matrix = matrix / matrix.sum(0, keepdim=True)
        matrix = matrix / matrix.sum(1, keepdim=True)
    torch.testing.assert_close(sinkhorn(scores), matrix.float(), atol=1e-5, rtol=1e-3)


def test_rows_add_up_to_one_and_columns_come_to_be_even():
    codes = sinkhorn(torch.randn(40, 8).tanh(), 0.1, 300)
    torch.testing.assert_close(codes.sum(1), torch.ones(40))
    torch.testing.assert_close(codes.sum(0), torch.full((8,), 5.0), atol=1e-2, rtol=0)


def test_equal_scores_have_even_codes_whose_loss_is_that_of_a_guess():
    codes = sinkhorn(torch.full((6, 4), 0.7))
    torch.testing.assert_close(codes, torch.full((6, 4), 0.25))
    assert float(predict_code(torch.zeros(6, 4), codes, 0.1)) == pytest.approx(math.log(4))


def test_orthonormal_rows_have_a_prototype_each():
    codes = sinkhorn(torch.eye(4))
    torch.testing.assert_close(codes, torch.eye(4), atol=1e-6, rtol=0)
    assert float(predict_code(torch.eye(4), codes, 0.1)) == pytest.approx(math.log(1 + 3 * math.exp(-10)), abs=1e-6)


def test_permuted_rows_have_permuted_codes_and_no_gradient():
    scores = torch.randn(6, 4, requires_grad=True).tanh()
    order = torch.randperm(6)
    torch.testing.assert_close(sinkhorn(scores[order]), sinkhorn(scores)[order])
    assert not sinkhorn(scores).requires_grad


def test_half_precision_is_close():
    scores = torch.randn(6, 4).tanh().bfloat16()
    torch.testing.assert_close(sinkhorn(scores), sinkhorn(scores.float()), atol=1e-3, rtol=0)
    codes = sinkhorn(scores)
    assert float(predict_code(scores, codes, 0.1)) == pytest.approx(float(predict_code(scores.float(), codes, 0.1)), abs=1e-3)
