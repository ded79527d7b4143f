import pytest
import torch
from semi_examples import batch, make


def test_a_threshold_above_one_is_supervised():
    example = batch()
    assert make("fixmatch", threshold=1.01)(example).mean() == make("supervised")(example).mean()


def test_the_loss_is_the_cross_entropy_of_the_strong_view_where_the_weak_one_is_sure():
    objective, example = make("fixmatch", threshold=0.5), batch()
    weak, strong = (objective.head(view.signal[:, :, 0]) for view in (example.unlabelled.weak, example.unlabelled.strong[0]))
    total = 0.0
    for row in range(len(weak)):
        probabilities = weak[row].softmax(0)
        if probabilities.max() >= 0.5:
            total -= float(strong[row].log_softmax(0)[probabilities.argmax()])
    assert total > 0
    assert objective(example).means()["consistency"] == pytest.approx(total / len(weak), rel=1e-5)


def test_the_weak_view_has_no_gradient():
    objective, example = make("fixmatch", threshold=0.0), batch()
    example.unlabelled.weak.signal.requires_grad_()
    example.unlabelled.strong[0].signal.requires_grad_()
    objective(example).total.backward()
    assert example.unlabelled.weak.signal.grad is None
    assert torch.count_nonzero(example.unlabelled.strong[0].signal.grad)
