import pytest
import torch
from window_examples import small_resnet, windows

from audiossl.objectives.vicreg import VICReg, VICRegConfig, off_diagonal_covariance, variance_hinge


def make(**options):
    torch.manual_seed(0)
    return VICReg(small_resnet(), VICRegConfig(projector=[32], **options))


def terms(a, b, **options):
    return {name: float(value) for name, value in make(**options).compare(a, b, windows(len(a))).items()}


def test_constant_equal_embeddings():
    a = torch.ones(4, 8)
    assert terms(a, a) == pytest.approx({"invariance": 0, "variance": 25 * (1 - 1e-2), "covariance": 0}, abs=1e-4)


def test_terms_are_those_of_loops():
    a, b = torch.randn(2, 5, 3) * 0.8
    found = terms(a, b, invariance=2.0, variance=3.0, covariance=4.0)
    invariance = sum(float(a[i, j] - b[i, j]) ** 2 for i in range(5) for j in range(3)) / 15
    variance = covariance = 0.0
    for z in (a.tolist(), b.tolist()):
        centred = [[row[j] - sum(other[j] for other in z) / 5 for j in range(3)] for row in z]
        table = [[sum(row[i] * row[j] for row in centred) / 4 for j in range(3)] for i in range(3)]
        variance += sum(max(0, 1 - (table[j][j] + 1e-4) ** 0.5) for j in range(3)) / 3
        covariance += sum(table[i][j] ** 2 for i in range(3) for j in range(3) if i != j) / 3
    assert found == pytest.approx(
        {"invariance": 2 * invariance, "variance": 3 * variance / 2, "covariance": 4 * covariance}, rel=1e-4
    )


def test_dimensions_that_vary_enough_and_apart_cost_nothing():
    z = torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, 2.0], [-2.0, -2.0]])
    assert float(variance_hinge(z)) == 0 and float(off_diagonal_covariance(z)) == pytest.approx(0)
    assert float(off_diagonal_covariance(z[:, :1].repeat(1, 2))) == pytest.approx((16 / 3) ** 2)


@pytest.mark.parametrize("term", [variance_hinge, off_diagonal_covariance])
def test_gradients_are_those_of_differences(term):
    z = (0.3 * torch.randn(4, 8, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(term, (z,))


def test_gradients_of_the_loss_reach_embeddings_that_are_all_equal():
    """The constant under the root keeps them finite."""
    z = torch.zeros(4, 8, requires_grad=True)
    sum(make().compare(z, z, windows(4)).values()).backward()
    assert bool(z.grad.isfinite().all())
