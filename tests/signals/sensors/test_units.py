import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.signals.sensors.units import _QUANTITIES, conversion


@pytest.mark.parametrize(
    ("unit", "wanted", "value", "expected"),
    [
        ("g", "m/s^2", 1.0, 9.80665), ("m/s²", "g", 9.80665, 1.0), ("mg", "g", 1000.0, 1.0), ("deg/s", "rad/s", 180.0, math.pi),
        ("rad/s", "dps", 1.0, 180 / math.pi), ("mV", "uV", 1.0, 1000.0), ("V", "µV", 1.0, 1e6), ("uV", "μV", 3.0, 3.0),
        ("degC", "K", 20.0, 293.15), ("degF", "°C", 212.0, 100.0), ("m s-2", "m/s2", 2.0, 2.0), ("1", "1", 2.0, 2.0),
    ],
)  # fmt: skip
def test_known_values(unit, wanted, value, expected):
    found = conversion(unit, wanted)
    assert value * found.factor + found.offset == pytest.approx(expected)


@pytest.mark.parametrize(
    ("unit", "wanted"), [("g", "rad/s"), ("G", "g"), ("1", "g"), ("counts", "mV"), ("mV", "MV"), ("deg", "degC")]
)
def test_other_quantities_are_not_converted(unit, wanted):
    assert conversion(unit, wanted) is None


@settings(deadline=None)
@given(st.sampled_from(_QUANTITIES).flatmap(lambda units: st.tuples(*[st.sampled_from(list(units))] * 3)), st.floats(-1e3, 1e3))
def test_ways_through_a_third_unit_agree(units, value):
    first, second, third = units

    def led(value, *path):
        for unit, wanted in pairwise(path):
            found = conversion(unit, wanted)
            value = value * found.factor + found.offset
        return value

    assert led(value, first, second, third) == pytest.approx(led(value, first, third), rel=1e-9, abs=1e-6)
    assert led(value, first, second, first) == pytest.approx(value, rel=1e-9, abs=1e-6)
