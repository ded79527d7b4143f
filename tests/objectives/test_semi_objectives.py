"""What all methods for few labels have in common: limits, gradients, geometry, resumption."""

from __future__ import annotations

import math

import pytest
import torch
from gradients_on_ranks import assert_two_ranks_equal_one
from semi_examples import K, batch, features, make

from audiossl.errors import ConfigError
from audiossl.objectives.kinds import SEMI_OBJECTIVES
from audiossl.objectives.semi_objective import SemiConfig, cross_entropy, mean_where, ramp, turned
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

TRAINING = TrainingConfig(
    optimiser="adamw", lr=1e-2, schedule="constant", warmup_steps=0, max_steps=6, checkpoint_every=3, keep=9, tensorboard=False
)


def test_the_labelled_loss_is_the_cross_entropy_of_both_views():
    objective, example = make("supervised"), batch()
    logits = objective.head(example.labelled.weak.signal[:, :, 0])
    strong = objective.head(example.labelled.strong[0].signal[:, :, 0])
    expected = [torch.nn.functional.cross_entropy(values, example.y[:, 0]).detach() for values in (logits, strong)]
    loss = objective(example)
    assert loss.mean() == pytest.approx(float(sum(expected)) / 2, rel=1e-5)
    assert loss.weight == 6
    assert make("supervised", labelled_strong=False)(example).mean() == pytest.approx(float(expected[0]), rel=1e-5)


def test_frames_without_a_class_count_nothing():
    logits, y = torch.randn(2, 3, K), torch.tensor([[0, -1, 1], [-1, -1, -1]])
    assert float(cross_entropy(logits, y)) == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits[0, [0, 2]], torch.tensor([0, 1])))
    )
    assert float(cross_entropy(logits[1:], y[1:])) == 0
    assert float(mean_where(torch.tensor([[1.0, 5.0]]), torch.tensor([[True, False]]))) == 1


def test_the_ramp():
    assert ramp(0, 100) == pytest.approx(math.exp(-5)) and ramp(100, 100) == ramp(7, 0) == 1
    objective = make("fixmatch", threshold=0.0, ramp_steps=10, weight=2.0)
    objective.before_step(0, 0.0)
    assert objective.weight == pytest.approx(2 * math.exp(-5))
    with pytest.raises(ConfigError, match="at least 0"):
        SemiConfig(ramp_steps=-1)


@pytest.mark.parametrize("name", SEMI_OBJECTIVES)
def test_every_method_learns_and_resumes_exactly(name, tmp_path):
    def batches(epoch, first, per_step):
        return [batch()] * (6 - first)

    whole = make(name)
    before = {key: value.clone() for key, value in whole.state_dict().items()}
    fit(whole, batches, TRAINING, tmp_path / "whole", quiet=True)
    assert any(not torch.equal(value, before[key]) for key, value in whole.state_dict().items())
    checkpoints = sorted((tmp_path / "whole" / "checkpoints").iterdir())
    (tmp_path / "half" / "checkpoints").mkdir(parents=True)
    checkpoints[0].rename(tmp_path / "half" / "checkpoints" / checkpoints[0].name)
    again = make(name)
    fit(again, batches, TRAINING, tmp_path / "half", quiet=True)
    for key, value in again.state_dict().items():
        assert torch.equal(value, whole.state_dict()[key]), key
    answer = again.eval().answer(features(4))
    torch.testing.assert_close(answer.exp().sum(2), torch.ones(4, 1))


@pytest.mark.parametrize("name", SEMI_OBJECTIVES)
def test_truth_is_read_by_measures_alone(name):
    example = batch()
    first = make(name)(example)
    example.truth = torch.full_like(example.truth, -1)
    assert make(name)(example).mean() == first.mean()


@pytest.mark.parametrize("name", SEMI_OBJECTIVES)
def test_frames_are_classified_one_by_one(name):
    objective = make(name, frames=True)
    loss = objective(batch(frames=4, moves=(1, 3)))
    assert math.isfinite(loss.mean()) and objective.answer(features(2, 4)).shape == (2, 4, K)


@pytest.mark.parametrize("name", ["fixmatch", "softmatch", "mean_teacher", "multiaugs"])
def test_targets_are_turned_with_the_view(name):
    """Where views differ by a turn alone, the loss is that of views that do not differ."""
    options = {"threshold": 0.4} if name == "fixmatch" else {}
    still, moved = (make(name, frames=True, **options)(batch(4, moves, same=True)) for moves in ((0, 0), (1, 3)))
    assert moved.mean() == pytest.approx(still.mean(), rel=1e-5)
    assert turned(torch.arange(4)[None], 1).tolist() == [[3, 0, 1, 2]]


@pytest.mark.parametrize("name", ["mean_teacher", "simmatch", "self_ensembling"])
def test_teachers_have_no_gradient_and_follow(name):
    objective = make(name, momentum=0.75).train()
    objective(batch()).total.backward()
    assert all(parameter.grad is None for parameter in objective.teacher.parameters())
    start = objective.teacher[1][0].weight.clone()
    with torch.no_grad():
        objective.head[0].weight.add_(1.0)
    objective.after_step(1)
    torch.testing.assert_close(objective.teacher[1][0].weight, start + 0.25)


def test_measures_of_pseudo_labels():
    objective = make("supervised")
    pseudo, truth = torch.tensor([[0], [1], [1], [2]]), torch.tensor([[0], [2], [-1], [2]])
    used = torch.tensor([[True], [True], [True], [False]])
    parts = objective.measure(pseudo, used, torch.ones_like(used), truth)
    found = {name: part.mean() for name, part in parts.items()}
    assert found["used"] == 0.75 and found["pseudo_accuracy"] == 0.5
    assert [found[f"used_class_{k}"] for k in range(3)] == pytest.approx([1 / 3, 2 / 3, 0])


@pytest.mark.slow
def test_two_ranks_equal_one(tmp_path):
    assert_two_ranks_equal_one("semi_on_ranks.py", tmp_path)
