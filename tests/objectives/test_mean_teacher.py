import pytest
import torch
from semi_examples import batch, make


def test_identical_views_and_networks_give_nothing_and_others_their_squared_distance():
    assert make("mean_teacher")(batch(same=True)).means()["consistency"] == 0
    objective, example = make("mean_teacher"), batch()
    p, q = (objective.head(view.signal[:, :, 0]).softmax(1) for view in (example.unlabelled.strong[0], example.unlabelled.weak))
    assert objective(example).means()["consistency"] == pytest.approx(float((p - q).square().mean()), rel=1e-5)


def test_the_teacher_answers():
    objective, example = make("mean_teacher"), batch()
    before = objective.answer(example.unlabelled.weak)
    with torch.no_grad():
        objective.head[0].weight.add_(torch.randn(3, 5))
    assert torch.equal(objective.answer(example.unlabelled.weak), before)
