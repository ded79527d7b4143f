"""Windows of heart rate: where each value holds, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.signals.sensors.heart_rate import heart_rate_windows, num_windows
from audiossl.signals.sensors.recording import Annotation


@pytest.mark.parametrize(
    ("seconds", "expected"), [(7.99, 0), (8.0, 1), (9.99, 1), (10.0, 2), (303.496, 148), (206.032, 100), (2006 - 1e-9, 1000)]
)
def test_number_of_windows(seconds, expected):
    assert num_windows(seconds) == expected  # the last two are sessions of the IEEE Signal Processing Cup with their label counts


def test_values_are_placed_every_two_seconds():
    assert heart_rate_windows(np.array([70.0, 71.5]), 10.5) == (Annotation(0.0, 8.0, 70.0), Annotation(2.0, 10.0, 71.5))


def test_refusals_say_why():
    with pytest.raises(DataError, match=r"expected 2 heart rates for 10\.50 s .* got 3"):
        heart_rate_windows(np.array([70.0, 71.0, 72.0]), 10.5)
    for wrong in (0.0, np.nan, np.inf):
        with pytest.raises(DataError, match="finite"):
            heart_rate_windows(np.array([70.0, wrong]), 10.5)
