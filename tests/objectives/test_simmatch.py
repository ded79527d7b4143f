import pytest
import torch
from semi_examples import batch, fixed_logits, make

from audiossl.objectives.simmatch import aggregated, unfolded


def test_unfolding_and_aggregation_undo_each_other():
    """Similarities that are equal in each class, unfolded with class probabilities and summed by class, give these back."""
    classes = torch.tensor([0, 1, 2, 0, 1, 2])
    semantic = torch.tensor([[0.7, 0.2, 0.1]])
    even = torch.full((1, 6), 1 / 6)
    torch.testing.assert_close(aggregated(unfolded(even, semantic, classes), classes, 3), semantic)
    similar = torch.rand(4, 6).softmax(1)
    torch.testing.assert_close(unfolded(similar, torch.full((4, 3), 1 / 3), classes), similar)
    assert unfolded(similar, torch.rand(4, 3).softmax(1), classes).sum(1).tolist() == pytest.approx([1.0] * 4)


def test_the_memory_holds_the_newest_labelled_embeddings():
    objective, example = make("simmatch", memory=8).train(), batch()
    objective(example)
    assert objective.memory_classes.tolist() == [*example.y.flatten().tolist(), -1, -1]
    objective(example)
    assert objective.memory_classes.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    torch.testing.assert_close(objective.memory.norm(dim=1), torch.ones(8))
    objective.eval()(example)


def test_without_similarity_and_a_high_threshold_it_is_supervised():
    example = batch()
    found = make("simmatch", threshold=1.01, instance_weight=0.0)(example)
    assert found.mean() == pytest.approx(make("supervised")(example).mean())


def taught(logits, **options):
    """A method whose teacher gives every window the same logits."""
    objective = fixed_logits(make("simmatch", momentum=0.0, **options).train(), logits)
    objective.after_step(1)
    return objective


def test_the_teachers_probabilities_are_aligned():
    """A teacher that gives every window the same class is aligned to uniform ones: no pseudo-label is left."""
    example, logits = batch(), [4.0, 0.0, 0.0]
    for align, used in ((0.0, 0.0), (1.0, 1.0)):
        objective = taught(logits, align=align, mix=1.0, threshold=0.9)
        means = objective(example).means()
        assert means["used"] == used
        assert (means["consistency"] > 0) == bool(used)
    torch.testing.assert_close(objective.alignment.mean, torch.full((3,), 1 / 3))
    objective = taught(logits, align=0.75)
    objective(example)
    expected = 0.75 / 3 + 0.25 * torch.tensor(logits).softmax(0)
    torch.testing.assert_close(objective.alignment.mean, expected)
    objective.eval()(example)
    torch.testing.assert_close(objective.alignment.mean, expected)
