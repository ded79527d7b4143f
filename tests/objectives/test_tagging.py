"""Tagging: closed form of the loss, a mean that padding does not touch, and mixup in training only."""

from __future__ import annotations

import pytest
import torch
from toy_encoder import ToyEncoder, item, make_batch

from audiossl.objectives.specaugment import SpecAugmentConfig
from audiossl.objectives.tagging import Tagging, TaggingConfig

TARGETS = [torch.tensor(tags) for tags in ([1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0])]


def make_tagging(**options):
    torch.manual_seed(2)
    plain = {"freeze_steps": 0, "dropout": 0.0, "spec_augment": SpecAugmentConfig(probability=0.0), "mixup": 0.0}
    return Tagging(ToyEncoder(), 3, TaggingConfig(**{**plain, **options}))


def test_closed_form_over_valid_frames():
    tagging, sizes = make_tagging(), [9, 4, 6]
    loss = tagging(make_batch(sizes, TARGETS))
    expected = 0.0
    for index, size in enumerate(sizes):
        signal = item(index, size)
        frames = tagging.encoder.model(signal[None], torch.tensor([signal.shape[1]])).last[0]
        chance = tagging.head["output"](frames.mean(dim=0)).sigmoid()
        hit = torch.where(TARGETS[index] > 0, chance, 1 - chance)
        expected -= float(hit.log().mean().detach())
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-5) and loss.weight == 3


def test_padding_does_not_touch_a_prediction():
    tagging, sizes = make_tagging().eval(), [9, 4, 6]
    together = tagging.predict(make_batch(sizes, TARGETS))
    alone = [tagging.predict(make_batch(sizes, TARGETS, order=[index]))[0] for index in range(3)]
    torch.testing.assert_close(torch.tensor(together), torch.tensor(alone))


def test_mixup_is_for_training():
    tagging, plain, batch = make_tagging(mixup=1.0), make_tagging(), make_batch([9, 4, 6], TARGETS)
    assert float(tagging(batch).total.detach()) != float(plain(batch).total.detach())
    assert float(tagging.eval()(batch).total.detach()) == float(plain.eval()(batch).total.detach())
