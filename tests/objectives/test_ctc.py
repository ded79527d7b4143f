"""CTC against the sum over all paths, greedy decoding, transcripts that do not fit, and indifference to padding."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from toy_encoder import ToyEncoder, make_batch

from audiossl.objectives.ctc import CTC, CTCConfig, collapse, frames_needed
from audiossl.objectives.specaugment import SpecAugmentConfig

PLAIN = {"freeze_steps": 0, "dropout": 0.0, "spec_augment": SpecAugmentConfig(probability=0.0)}
TARGETS = [torch.tensor(units) for units in ([1, 2], [2, 2], [3], [1, 3, 1])]


def make_ctc(num_units=4, **options):
    torch.manual_seed(2)
    return CTC(ToyEncoder(), num_units, CTCConfig(**{**PLAIN, **options}))


def by_all_paths(log_probs, target):
    """-log of the summed probability of every path over the frames that collapses to the target."""
    num_frames, num_units = log_probs.shape
    fitting = [path for path in product(range(num_units), repeat=num_frames) if collapse(list(path)) == target.tolist()]
    scores = [sum(float(log_probs[frame, unit]) for frame, unit in enumerate(path)) for path in fitting]
    return -math.log(sum(map(math.exp, scores)))


def test_loss_is_that_of_all_paths_and_counts_units():
    ctc, batch = make_ctc(), make_batch([5, 4, 2, 5], TARGETS)
    loss = ctc(batch)
    log_probs, lengths = ctc.eval().log_probs(batch)
    log_probs = log_probs.detach()
    assert lengths.tolist() == [5, 4, 2, 5]
    expected = sum(by_all_paths(row[:size], target) for row, size, target in zip(log_probs, lengths, TARGETS, strict=True))
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-5)
    assert loss.weight == 8 and loss.means() == {"left_out": 0.0}


@pytest.mark.parametrize("downsample", [1, 2])
def test_an_item_has_the_same_loss_and_transcript_alone(downsample):
    ctc, sizes = make_ctc(downsample=downsample).eval(), [9, 7, 4, 12]
    together = make_batch(sizes, TARGETS)
    alone = [make_batch(sizes, TARGETS, order=[index]) for index in range(4)]
    total = sum(float(ctc(batch).total.detach()) for batch in alone)
    assert float(ctc(together).total.detach()) == pytest.approx(total, rel=1e-5)
    assert ctc.predict(together) == [ctc.predict(batch)[0] for batch in alone]
    assert ctc.log_probs(together)[1].tolist() == [-(-size // downsample) for size in sizes]


def test_transcripts_that_do_not_fit_are_left_out_and_named():
    ctc = make_ctc()
    targets = [torch.tensor(units) for units in ([1, 2, 3, 1], [2, 2], [], [1, 3])]
    batch = make_batch([3, 2, 6, 3], targets)
    loss = ctc(batch)
    only = ctc(make_batch([3, 2, 6, 3], targets, order=[3]))
    assert float(loss.total.detach()) == pytest.approx(float(only.total.detach()), rel=1e-5) and loss.weight == 2
    assert loss.means()["left_out"] == 0.75
    assert set(ctc.too_short) == {"item-0", "item-1", "item-2"} and "needs 3 frames, it has 2" in ctc.too_short["item-1"]
    nobody = ctc(make_batch([3, 2, 6, 3], targets, order=[0, 1]))
    nobody.total.backward()
    assert nobody.weight == 0 and float(nobody.total.detach()) == 0 and ctc.head["output"].weight.grad.abs().sum() == 0


def test_frames_needed():
    targets = torch.tensor([[1, 1, 1, 2], [1, 2, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]])
    assert frames_needed(targets, torch.tensor([4, 2, 1, 0])).tolist() == [6, 2, 1, 0]


@pytest.mark.parametrize(("path", "units"), [([], []), ([0, 0], []), ([1, 1, 0, 1], [1, 1]), ([2, 3, 3, 2], [2, 3, 2])])
def test_collapse(path, units):
    assert collapse(path) == units


def test_gradients_are_finite_at_sharp_outputs():
    ctc = make_ctc()
    ctc.head["output"].weight.data.mul_(1e4)
    loss = ctc(make_batch([5, 4, 2, 5], TARGETS))
    loss.total.backward()
    assert math.isfinite(float(loss.total.detach())) and ctc.encoder.model.linear.weight.grad.isfinite().all()
