import pytest
import torch
from semi_examples import batch, make

from audiossl.objectives.semi_objective import cross_entropy
from audiossl.objectives.semixup import distance, draw_beta


def test_a_linear_head_interpolates_anyway():
    means = make("semixup")(batch()).means()
    assert means["interpolation"] == pytest.approx(0, abs=1e-10)
    assert means["in_manifold"] > 0 and means["out_of_manifold"] > 0
    assert make("semixup", hidden=[8])(batch()).means()["interpolation"] > 1e-8


def test_identical_logits_agree():
    means = make("semixup")(batch(same=True)).means()
    assert means["in_manifold"] == 0


def test_the_distance_is_a_mean_over_classes_and_windows():
    p, q = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]), torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]])
    assert float(distance(p, q, torch.ones(2, 1, dtype=torch.bool))) == 0.5


def test_labels_are_mixed_by_their_shares():
    objective, example = make("semixup"), batch()
    share, order = objective._mixture(example, 6, "labelled")
    x = example.labelled.weak.signal[:, :, 0]
    logits = objective.head(share * x + (1 - share) * x[order])[:, None]
    expected = share * cross_entropy(logits, example.y) + (1 - share) * cross_entropy(logits, example.y[order])
    assert objective(example).means()["labelled"] == pytest.approx(float(expected), rel=1e-5)


def test_shares_are_those_of_a_beta_distribution():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([draw_beta(0.75, generator) for _ in range(4000)])
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(drawn.var()) == pytest.approx(1 / (4 * (2 * 0.75 + 1)), abs=0.01)
