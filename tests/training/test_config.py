"""Options of training that cannot be meant are refused as they are read."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest

from audiossl.errors import ConfigError
from audiossl.training.config import ABOVE_0, FROM_0, TrainingConfig

FLOATS = [item.name for item in fields(TrainingConfig) if item.type == "float"]


def config_of(**options: Any) -> TrainingConfig:
    return TrainingConfig(**{name: float(value) if name in FLOATS else value for name, value in options.items()})


@pytest.mark.parametrize("name", ABOVE_0 + FROM_0)
def test_no_number_is_below_0(name: str):
    with pytest.raises(ConfigError, match=rf"training\.{name} should be (above 0|at least 0|0, or above 1), got -1"):
        config_of(**{name: -1})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", FLOATS)
def test_every_number_is_finite(name: str, value: float):
    with pytest.raises(ConfigError, match=rf"training\.{name} should be a finite number, got {value}"):
        config_of(**{name: value})


@pytest.mark.parametrize(
    "options",
    [*({name: 0} for name in ABOVE_0), {"num_threads": 0}, {"max_steps": 0}, {"epochs": 0.0}, {"lr_scales": {"encoder": -1.0}}],
)
def test_what_is_divided_by_is_not_0(options: dict[str, Any]):
    with pytest.raises(ConfigError, match="should be above 0, got"):
        config_of(**options)


@pytest.mark.parametrize("betas", [(0.9, 1.0), (-0.1, 0.98), (math.nan, 0.9)])
def test_betas_are_shares(betas: tuple[float, float]):
    with pytest.raises(ConfigError, match=r"training\.betas should be at least 0 and below 1"):
        config_of(betas=betas)


def test_0_turns_things_off():
    assert config_of(**dict.fromkeys(FROM_0, 0)).validate_every == 0
