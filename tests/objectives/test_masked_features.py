"""Masked feature regression: an obvious second implementation, padding, and learning."""

from __future__ import annotations

import pytest
import torch
from students import BINS, Student, make_batch

from audiossl.objectives.batch import collate_tokens
from audiossl.objectives.masked_features import MaskedFeatures
from audiossl.objectives.masked_prediction import MaskedPredictionConfig

OPTIONS = MaskedPredictionConfig("features", channel_mask_length=3)


def make_objective():
    torch.manual_seed(0)
    return MaskedFeatures(Student(), BINS, OPTIONS)


def test_total_is_the_error_frame_by_frame():
    objective, batch = make_objective(), make_batch()
    features, lengths = objective.student.compute_features(batch.signal, batch.lengths)
    masked_features, mask = objective._mask(features, lengths, batch)
    frames = objective.student.forward_features(masked_features, lengths)
    total = 0.0
    for item, length in enumerate(lengths.tolist()):
        own = features[item, :length]
        normal = (own - own.mean(0)) / own.std(0, correction=0)
        for t in range(int(frames.lengths[item])):
            covered = normal[2 * t + 3 : 2 * t + 5].flatten()  # the student's frame t is centred on feature frame 2 t + 4
            total += 0.5 * float((objective.head(frames.last[item, t]) - covered).square().mean().detach())
    loss = objective(batch)
    assert float(loss.total.detach()) == pytest.approx(total, rel=1e-4)
    assert loss.weight == pytest.approx(0.5 * int(frames.lengths.sum()))
    assert bool(mask.any()) and {"error_masked", "error_unmasked"} < set(loss.parts)


def test_batch_mates_change_nothing():
    objective = make_objective().eval()
    together = objective(make_batch())
    alone = [objective(make_batch(order=[index])) for index in range(3)]
    assert float(together.total.detach()) == pytest.approx(sum(float(loss.total.detach()) for loss in alone), rel=1e-5)


def test_a_few_steps_lower_the_error():
    objective, batch = make_objective(), make_batch()
    optimiser = torch.optim.Adam(objective.parameters(), lr=1e-2)
    errors = []
    for _ in range(30):
        loss = objective(batch)
        (loss.total / loss.weight).backward()
        optimiser.step()
        optimiser.zero_grad()
        errors.append(float(loss.total.detach()) / loss.weight)
    assert errors[-1] < 0.8 * errors[0]


def test_silence_gives_no_infinite_target():
    objective = make_objective()
    batch = collate_tokens(["a"], [torch.zeros(1, 16000)], [{"speech": torch.zeros(50, 1, dtype=torch.uint8)}])
    assert torch.isfinite(objective(batch).total)
