import math

import pytest
import torch
from gradients_on_ranks import assert_two_ranks_equal_one
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from audiossl.objectives.contrast import dcl, info_nce, nt_xent

LOSSES = {
    "nt_xent": nt_xent,
    "info_nce": info_nce,
    "dcl": dcl,
    "dclw": lambda a, b, tau: dcl(a, b, tau, weighted=True),
}


def slow(name, a, b, tau, sigma=0.5):
    """Row by row, as the papers write them."""
    a, b = (functional.normalize(x.double(), dim=1).tolist() for x in (a, b))
    count, rows, terms = len(a), [*a, *b], []

    def similarity(x, y):
        return sum(p * q for p, q in zip(x, y, strict=True))

    if name == "info_nce":
        for i in range(count):
            scores = [math.exp(similarity(a[i], other) / tau) for other in b]
            terms.append(-math.log(scores[i] / sum(scores)))
        return sum(terms) / count
    positives = [similarity(a[i], b[i]) for i in range(count)]
    average = sum(math.exp(s / sigma) for s in positives) / count
    for i in range(2 * count):
        partner = (i + count) % (2 * count)
        scores = {k: math.exp(similarity(rows[i], rows[k]) / tau) for k in range(2 * count) if k != i}
        if name == "nt_xent":
            terms.append(-math.log(scores[partner] / sum(scores.values())))
        else:
            s = positives[i % count]
            weight = 2 - math.exp(s / sigma) / average if name == "dclw" else 1
            terms.append(-weight * s / tau + math.log(sum(value for k, value in scores.items() if k != partner)))
    return sum(terms) / (2 * count)


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None, max_examples=10)
@given(count=st.integers(2, 6), seed=st.integers(0, 99), tau=st.sampled_from([0.07, 0.2, 1.0]))
def test_losses_are_those_of_loops(name, count, seed, tau):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, count, 5, generator=generator)
    assert float(LOSSES[name](a, b, tau)) == pytest.approx(slow(name, a, b, tau), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_equal_rows(count, tau):
    a = torch.ones(count, 4)
    expected = {"nt_xent": 2 * count - 1, "info_nce": count, "dcl": 2 * count - 2, "dclw": 2 * count - 2}
    for name, number in expected.items():
        assert float(LOSSES[name](a, 3 * a, tau)) == pytest.approx(math.log(number), abs=1e-5)


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_orthonormal_pairs(tau):
    a = torch.eye(8)[:5]
    assert float(nt_xent(a, a, tau)) == pytest.approx(math.log(1 + 8 * math.exp(-1 / tau)), abs=1e-6)
    assert float(dcl(a, a, tau)) == pytest.approx(-1 / tau + math.log(8), abs=1e-5)
    assert float(dcl(a, a, tau, weighted=True)) == pytest.approx(-1 / tau + math.log(8), abs=1e-5)  # weights are equal: 1


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    def test_the_order_of_rows_does_not_matter(self, name):
        a, b = torch.randn(2, 6, 4)
        order = torch.randperm(6)
        assert float(LOSSES[name](a[order], b[order], 0.2)) == pytest.approx(float(LOSSES[name](a, b, 0.2)), rel=1e-5)

    def test_the_length_of_rows_does_not_matter(self, name):
        a, b = torch.randn(2, 6, 4)
        scaled = LOSSES[name](a * torch.rand(6, 1).add(0.5), 7 * b, 0.2)
        assert float(scaled) == pytest.approx(float(LOSSES[name](a, b, 0.2)), rel=1e-5)

    def test_gradients_are_those_of_differences(self, name):
        a, b = torch.randn(2, 4, 8, dtype=torch.float64)
        if name == "dclw":  # its weights are constants to the gradient, but not to differences
            found = gradient(lambda a: dcl(a, b, 0.5, weighted=True), a)
            s = functional.cosine_similarity(a, b)
            weight = (2 - 4 * torch.softmax(s / 0.5, 0)).repeat(2)

            def fixed(a):
                positive = functional.cosine_similarity(a, b).repeat(2) / 0.5
                return dcl(a, b, 0.5) + ((1 - weight) * positive).mean()

            torch.testing.assert_close(found, gradient(fixed, a))
            assert float(weight.mean()) == pytest.approx(1)
        else:
            a, b = a.requires_grad_(), b.requires_grad_()
            assert torch.autograd.gradcheck(lambda a, b: LOSSES[name](a, b, 0.5), (a, b))

    def test_half_precision_is_close(self, name):
        a, b = torch.randn(2, 4, 8)
        a, b = a.half().float(), b.half().float()
        found = LOSSES[name](a.half(), b.half(), 0.5)
        assert found.dtype == torch.float32
        assert float(found) == pytest.approx(float(LOSSES[name](a, b, 0.5)), abs=1e-3)

    def test_agreement_lowers_it(self, name):
        a, b = torch.randn(2, 6, 16)
        assert float(LOSSES[name](a, a + 0.1 * b, 0.2)) < float(LOSSES[name](a, b, 0.2))


def gradient(loss, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x), x)[0]


def test_two_ranks_average_to_the_gradient_of_the_joined_batch(tmp_path):
    assert_two_ranks_equal_one("contrast_on_ranks.py", tmp_path)
