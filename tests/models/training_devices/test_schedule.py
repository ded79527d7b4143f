"""Schedules at their knots, between and beyond them, and the clock they follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.models.training_devices.attach import layer_skip
from audiossl.models.training_devices.schedule import Clock, Schedule, value_at


@pytest.mark.parametrize(
    ("batch", "value"), [(-5.0, 0.2), (0.0, 0.2), (1000.0, 0.1625), (4000.0, 0.05), (10000.0, 0.025), (16000.0, 0.0), (1e9, 0.0)]
)
def test_values_at_knots_between_and_beyond(batch, value):
    assert Schedule((0, 0.2), (4000, 0.05), (16000, 0.0)).at(batch) == pytest.approx(value)


@given(st.floats(-10, 30))
def test_equals_the_line_between_its_ends(batch):
    inside = min(max(batch, 5.0), 20.0)
    assert Schedule((5, 1.0), (20, 4.0)).at(batch) == pytest.approx(1 + (inside - 5) / 5)


def test_a_plain_number_does_not_change():
    assert value_at(0.3, 17.0) == 0.3


def test_the_clock_counts_batches_of_600_seconds():
    clock = Clock()
    clock.set(step=200, seconds_per_step=30.0)
    assert clock.batch == 10.0


def test_layers_come_in_one_after_the_other():
    factors = (1, 2, 4, 8, 4, 2, 1)
    first, last = layer_skip(factors, 3, 0, 2), layer_skip(factors, 3, 1, 2)
    assert [batch for batch, _ in first.knots] == [2000, 2250]
    assert [batch for batch, _ in last.knots] == [2250, 2500]
    assert first.at(0.0) == 0.5
    assert last.at(4000.0) == pytest.approx(0.035 * 8**0.5)
