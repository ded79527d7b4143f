"""Schedules at points where their values are known."""

from __future__ import annotations

import math

import pytest

from audiossl.training.config import TrainingConfig
from audiossl.training.eden import Eden
from audiossl.training.schedules import WarmupCosine, make_schedule


@pytest.mark.parametrize(("step", "rate"), [(100_000, 0.0077), (500_000, 0.0016)])
def test_eden_of_the_large_speech_model(step, rate):
    """The published example: 6400 s a step, H = 75 000."""
    assert Eden(0.045, seconds_per_step=6400.0, hours=75_000.0)(step) == pytest.approx(rate, abs=5e-5)


def test_eden_closed_forms():
    eden = Eden(0.04, seconds_per_step=3600.0, steps=1000.0, hours=1000.0, warmup_steps=500)
    assert eden(0) == pytest.approx(0.02)
    assert eden(250) == pytest.approx(0.04 * 0.75 * (1 + 0.0625) ** -0.5)
    assert eden(1000) == pytest.approx(0.04 * 2**-0.5)  # both factors are 2 ** -0.25
    assert eden(4_000_000) / eden(1_000_000) == pytest.approx(1 / 4, rel=1e-4)  # b^-1 far out


def test_warmup_cosine():
    schedule = WarmupCosine(1.0, total_steps=110, warmup_steps=10, final_lr=0.1)
    assert [schedule(step) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert schedule(60) == pytest.approx(0.55)
    assert schedule(110) == schedule(1000) == pytest.approx(0.1)


def test_config_names_schedules():
    config = TrainingConfig(lr=0.05, batch_seconds=100.0, accumulate=3, eden_hours=7.0, eden_steps=11.0, warmup_steps=2)
    assert make_schedule(config, 1000, batches_per_step=6) == Eden(0.05, 600.0, 11.0, 7.0, 2)
    assert make_schedule(TrainingConfig(schedule="constant", lr=0.1, warmup_steps=0), 100)(70) == pytest.approx(0.1)
    cosine = make_schedule(TrainingConfig(schedule="cosine", lr=0.1, warmup_steps=0), 100)
    assert cosine(50) == pytest.approx(0.05)
    assert math.isclose(cosine(100), 0.0, abs_tol=1e-12)
