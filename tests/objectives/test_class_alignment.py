import pytest
import torch

from audiossl.objectives.class_alignment import ClassAlignment


def test_uniform_classes_are_left_alone_and_frequent_ones_lowered():
    alignment, p = ClassAlignment(3, 0.9), torch.tensor([[0.5, 0.3, 0.2]])
    torch.testing.assert_close(alignment(p), p)
    alignment.mean.copy_(torch.tensor([0.6, 0.3, 0.1]))
    torch.testing.assert_close(alignment(p), torch.tensor([[5 / 6, 1, 2]]) / (5 / 6 + 3))


def test_what_is_always_predicted_says_nothing():
    """The mean prediction itself becomes uniform."""
    alignment, p = ClassAlignment(2, 0.0), torch.tensor([[0.9, 0.1], [0.7, 0.3]])
    alignment.follow(p)
    assert alignment(p.mean(0)).tolist() == pytest.approx([0.5, 0.5])
    alignment.follow(p[:0])
    assert alignment.mean.tolist() == pytest.approx([0.8, 0.2])


def test_momentum_of_one_keeps_it_uniform():
    alignment = ClassAlignment(2, 1.0)
    alignment.follow(torch.tensor([[1.0, 0.0]]))
    assert alignment.mean.tolist() == [0.5, 0.5]
