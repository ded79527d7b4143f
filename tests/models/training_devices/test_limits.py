"""Parameter limits and the score penalty."""

from __future__ import annotations

import pytest
import torch

from audiossl.models.training_devices.limits import ParameterLimit, turn_inwards
from audiossl.models.training_devices.penalty import penalise_large_scores
from audiossl.models.training_devices.schedule import Clock, Schedule
from audiossl.models.zipformer_layer import Bypass


def test_only_outward_gradients_outside_the_range_are_turned():
    value = torch.tensor([-2.0, -2, 0, 0, 2, 2])
    grad = torch.tensor([1.0, -1, 1, -1, 1, -1])
    assert turn_inwards(grad, value, -1.0, 1.0).tolist() == [-1, -1, 1, -1, 1, 1]


def test_a_parameter_is_brought_into_its_range():
    """The loss pulls to 0; the limit wins by 0.6 to 0.4 until the scale is above 0.9."""
    bypass = Bypass(4)
    limit = ParameterLimit(bypass, "bypass_scale", Schedule((0, 0.9), (20000, 0.2)), 1.0, Clock())
    for _ in range(1500):
        limit.draw()
        bypass.bypass_scale.grad = None
        bypass.bypass_scale.sum().backward()
        with torch.no_grad():
            bypass.bypass_scale -= 0.002 * bypass.bypass_scale.grad
    assert 0.85 < bypass.bypass_scale.min().item() < 0.92
    limit.clock.batch = 20000.0
    turned = 0
    for _ in range(100):
        limit.draw()
        bypass.bypass_scale.grad = None
        bypass.bypass_scale.sum().backward()
        turned += int((bypass.bypass_scale.grad < 0).any())
    assert turned == 0, "0.9 is inside by then"


@pytest.mark.parametrize("stop", ["eval", "remove"])
def test_it_is_gone_in_evaluation_and_when_removed(stop):
    bypass = Bypass(4)
    limit = ParameterLimit(bypass, "bypass_scale", 0.9, 1.0, Clock())
    bypass.eval() if stop == "eval" else limit.remove()
    limit.acts = True
    bypass.bypass_scale.sum().backward()
    assert (bypass.bypass_scale.grad == 1).all()


def test_score_penalty_is_the_gradient_of_the_excess():
    scores = (torch.randn(2, 3, 5, 5) * 25).requires_grad_()
    padding = torch.arange(5)[None] >= torch.tensor([5, 3])[:, None]
    penalised = penalise_large_scores(scores, padding, probability=1.0)
    assert torch.equal(penalised, scores)
    grad = torch.randn_like(scores)
    (ours,) = torch.autograd.grad(penalised, scores, grad)
    loss = (scores * grad).sum() + 1e-4 * ((scores.abs() - 25).clamp(min=0) * ~padding[:, None, :, None]).sum()
    (expected,) = torch.autograd.grad(loss, scores)
    torch.testing.assert_close(ours, expected)
    assert not torch.equal(ours, grad)
    assert 60 < sum(penalise_large_scores(scores, None) is not scores for _ in range(1000)) < 140
