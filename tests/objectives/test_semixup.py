import pytest
import torch
from semi_examples import batch, make

from audiossl.objectives.mixup import draw_beta
from audiossl.objectives.semi_objective import cross_entropy
from audiossl.objectives.semixup import distance


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


@pytest.mark.parametrize("strong", [False, True])
def test_labels_are_mixed_by_their_shares_in_as_many_views_as_others_learn(strong):
    objective, example = make("semixup", labelled_strong=strong), batch()
    share, order = objective._mixture(example, 6, "labelled")
    losses = []
    for view in [example.labelled.weak, example.labelled.strong[0]][: 1 + strong]:
        x = view.signal[:, :, 0]
        logits = objective.head(share * x + (1 - share) * x[order])[:, None]
        losses.append(share * cross_entropy(logits, example.y) + (1 - share) * cross_entropy(logits, example.y[order]))
    expected = float(torch.stack(losses).mean().detach())
    assert objective(example).means()["labelled"] == pytest.approx(expected, rel=1e-5)


def test_targets_of_a_strong_view_are_turned_with_it():
    still, moved = (make("semixup", frames=True)(batch(4, moves, same=True)).means()["labelled"] for moves in ((0, 0), (1, 3)))
    assert moved == pytest.approx(still, rel=1e-5)


def test_shares_are_those_of_a_beta_distribution():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([draw_beta(0.75, generator) for _ in range(4000)])
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(drawn.var()) == pytest.approx(1 / (4 * (2 * 0.75 + 1)), abs=0.01)
