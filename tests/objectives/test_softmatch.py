import math

import pytest
import torch
from semi_examples import batch, make

from audiossl.objectives.softmatch import weights_of


def test_weights():
    mean, variance = torch.tensor(0.6), torch.tensor(0.04)
    found = weights_of(torch.tensor([0.9, 0.6, 0.4, 0.2]), mean, variance, 2.0)
    assert found.tolist() == pytest.approx([1, 1, math.exp(-0.04 * 4 / 0.08), math.exp(-0.16 * 4 / 0.08)], rel=1e-5)
    assert float(weights_of(torch.tensor(0.1), mean, torch.tensor(1e9), 2.0)) == pytest.approx(1)


def test_statistics_follow_the_batch_in_training_alone():
    objective, example = make("softmatch", momentum=0.75, align=False), batch()
    confidence = objective.head(example.unlabelled.weak.signal[:, :, 0]).softmax(1).amax(1).detach()
    objective.eval()(example)
    assert float(objective.mean) == pytest.approx(1 / 3)
    objective.train()(example)
    assert float(objective.mean) == pytest.approx(0.75 / 3 + 0.25 * float(confidence.mean()), rel=1e-5)
    assert float(objective.variance) == pytest.approx(0.75 + 0.25 * float(confidence.var()), rel=1e-5)


def test_classes_are_made_equally_frequent_before_confidence_is_read_if_asked_for():
    p = torch.tensor([[0.5, 0.3, 0.2]])
    for align in (True, False):
        objective = make("softmatch", align=align)
        objective.alignment.mean.copy_(torch.tensor([0.6, 0.3, 0.1]))
        assert torch.equal(objective._aligned(p), p) != align
