"""The fp16 loss scale: its rule as pure logic, and a run that uses it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from test_fit import CONFIG, Items, Regression, batches, rows, same_weights
from torch import nn

from audiossl.errors import DataError
from audiossl.objectives.loss import Loss
from audiossl.objectives.objective import Objective
from audiossl.training.checkpoints import latest_checkpoint
from audiossl.training.fit import fit
from audiossl.training.loss_scale import LossScale

FP16 = replace(CONFIG, precision="fp16", optimiser="scaled_adam")


def test_it_doubles_every_100_steps_below_8_and_every_400_below_32():
    scale, values = LossScale(enabled=True), {}
    for step in range(1, 1601):
        assert scale.update(step, finite=True) is None
        values[step] = scale.value
    assert [values[step] for step in (1, 99, 100, 200, 300, 400, 799, 800, 1200, 1600)] == [1, 1, 2, 4, 8, 16, 16, 32, 32, 32]
    for step in range(1601, 2001):
        scale.update(step, finite=True)
    assert scale.value == 64, "2,000 finite steps in a row"


def test_a_gradient_that_is_not_finite_halves_it():
    scale = LossScale(enabled=True)
    assert scale.update(1, finite=False) is None
    assert scale.value == 0.5
    for step in range(2, 8):
        warning = scale.update(step, finite=False)
    assert scale.value < 0.01
    assert "small" in warning
    with pytest.raises(DataError, match="precision=bf16"):
        for step in range(8, 20):
            scale.update(step, finite=False)


def test_off_it_does_nothing():
    scale, loss = LossScale(), torch.ones(())
    assert scale.apply(loss) is loss
    for step in range(1, 500):
        scale.update(step, finite=step % 3 == 0)
    assert scale.value == 1


class Overflowing(Objective):
    """Its gradient is not finite while the loss scale is above a limit, as an fp16 gradient beyond 65504 would be."""

    def __init__(self, limit):
        super().__init__()
        self.weight, self.limit, self.seen = nn.Parameter(torch.ones(3)), limit, []
        self.weight.register_hook(self.overflow)

    def overflow(self, grad):
        self.seen.append(float(grad[0]))
        return grad * math.inf if abs(float(grad[0])) > self.limit else grad

    def forward(self, batch):
        return Loss(self.weight.sum() * 8, 1.0)


def test_the_loop_leaves_out_steps_until_the_scale_fits(tmp_path):
    objective = Overflowing(limit=3.0)
    fit(objective, batches, replace(FP16, max_steps=4), tmp_path)
    assert objective.seen == [8.0, 4.0, 2.0, 2.0]
    assert [row["grad_norm"] for row in rows(tmp_path)][2:] == pytest.approx([8 * 3**0.5] * 2), "of the unscaled gradient"
    assert latest_checkpoint(tmp_path / "checkpoints").state["loss_scale"]["value"] == 0.25
    with pytest.raises(DataError, match="fp16 loss scale fell"):
        fit(Overflowing(limit=0.0), batches, replace(FP16, max_steps=40), tmp_path / "never")


def test_a_resumed_fp16_run_equals_an_uninterrupted_one(tmp_path):
    straight, killed, resumed = Regression(), Regression(), Regression()

    def with_bad(epoch, first, batches_per_step):
        for index, batch in enumerate(batches(epoch, first, batches_per_step), start=first):
            yield Items(batch.x * math.inf) if epoch == 1 and index == 1 else batch

    fit(straight, with_bad, FP16, tmp_path / "straight")
    killed.die_at = 12
    with pytest.raises(KeyboardInterrupt):
        fit(killed, with_bad, FP16, tmp_path / "killed")
    fit(resumed, with_bad, FP16, tmp_path / "killed")
    assert same_weights(straight, resumed)
    assert latest_checkpoint(tmp_path / "killed/checkpoints").state["loss_scale"]["value"] == 0.5
    assert straight.net[0].weight.dtype == torch.float32
