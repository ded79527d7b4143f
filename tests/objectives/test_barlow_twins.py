import pytest
import torch
from window_examples import small_resnet, windows

from audiossl.objectives.barlow_twins import BarlowTwins, BarlowTwinsConfig


def terms(a, b, redundancy=0.005):
    torch.manual_seed(0)
    objective = BarlowTwins(small_resnet(), BarlowTwinsConfig(projector=[32], redundancy=redundancy))
    return {name: float(value) for name, value in objective.compare(a, b, windows(len(a))).items()}


def test_terms_are_those_of_loops():
    a, b = torch.randn(2, 6, 3) * 2 + 1
    agreement = redundancy = 0.0
    for i in range(3):
        for j in range(3):
            x, y = a[:, i] - a[:, i].mean(), b[:, j] - b[:, j].mean()
            c = float((x * y).sum() / (x.square().sum() * y.square().sum()).sqrt())
            if i == j:
                agreement += (1 - c) ** 2
            else:
                redundancy += 0.1 * c**2
    assert terms(a, b, 0.1) == pytest.approx({"agreement": agreement, "redundancy": redundancy}, rel=1e-4)


def test_equal_and_independent_dimensions_cost_nothing():
    z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert terms(z, 3 * z + 2) == pytest.approx({"agreement": 0, "redundancy": 0}, abs=1e-6)


def test_opposite_and_constant_dimensions():
    z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert terms(z, -z)["agreement"] == pytest.approx(8)
    same = terms(z[:, :1].repeat(1, 2), z[:, :1].repeat(1, 2), 1.0)
    assert same == pytest.approx({"agreement": 0, "redundancy": 2}, abs=1e-5)
    assert terms(torch.ones(4, 2), torch.ones(4, 2)) == pytest.approx({"agreement": 2, "redundancy": 0}, abs=1e-6)


def test_gradients_are_finite_for_equal_embeddings():
    z = torch.ones(4, 8, requires_grad=True)
    objective = BarlowTwins(small_resnet(), BarlowTwinsConfig(projector=[32]))
    sum(objective.compare(z, z, windows(4)).values()).backward()
    assert bool(z.grad.isfinite().all())


def test_gradients_are_those_of_differences():
    objective = BarlowTwins(small_resnet(), BarlowTwinsConfig(projector=[32]))
    a, b = (torch.randn(4, 8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: sum(objective.compare(a, b, windows(4)).values()), (a, b))
