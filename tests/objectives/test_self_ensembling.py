import math

import pytest
import torch
from semi_examples import batch, make

from audiossl.objectives.self_ensembling import class_means, region_contrast

PRESENT = torch.tensor([True, True, True])


def test_closed_forms():
    rows, region = torch.eye(3)[:, None], torch.tensor([[0], [1], [2]])
    same = torch.ones(3, 3) / math.sqrt(3)
    assert float(region_contrast(rows, region, same, PRESENT, 0.5)) == pytest.approx(math.log(3), rel=1e-5)
    found = float(region_contrast(rows, region, torch.eye(3), PRESENT, 0.5))
    assert found == pytest.approx(math.log(1 + 2 * math.exp(-2)), rel=1e-5)
    assert float(region_contrast(rows, torch.full_like(region, -1), torch.eye(3), PRESENT, 0.5)) == 0
    two = torch.tensor([True, True, False])
    assert float(region_contrast(rows[:2], region[:2], torch.eye(3), two, 0.5)) == pytest.approx(math.log(1 + math.exp(-2)))


def test_frames_of_one_class_in_a_window_are_one_region():
    rows = torch.nn.functional.normalize(torch.randn(1, 4, 3), dim=2)
    means = torch.nn.functional.normalize(rows[:, :2].mean(1), dim=1)
    found = region_contrast(rows, torch.tensor([[0, 0, -1, -1]]), torch.eye(3), PRESENT, 1.0)
    assert float(found) == pytest.approx(float(torch.nn.functional.cross_entropy(means, torch.tensor([0]))), rel=1e-5)


def test_means_of_classes():
    means, present = class_means(torch.eye(3), torch.tensor([0, 0, 1]), 3)
    assert present.tolist() == [True, True, False]
    assert means[0].tolist() == pytest.approx([math.sqrt(0.5), math.sqrt(0.5), 0])


def test_a_threshold_above_one_is_supervised():
    example = batch()
    assert make("self_ensembling", threshold=1.01)(example).mean() == pytest.approx(make("supervised")(example).mean())
