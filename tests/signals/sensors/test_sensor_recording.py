from dataclasses import replace

import numpy as np
import pytest
from sensor_data import recording

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation


def test_length():
    found = recording(samples=125)
    assert (found.num_samples, found.seconds) == (125, 2.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "../up"}, "expected an id"),
        ({"id": ".hidden"}, "expected an id"),
        ({"subject": ""}, "expected a subject"),
        ({"rate": 0.0}, "rate above 0"),
        ({"units": ("g",)}, "2 names, 1 units and 2 channels"),
        ({"channels": ("x", "x")}, "channel names repeat: x, x"),
        ({"values": np.full((2, 500), np.inf, np.float32)}, "infinite samples"),
        ({"annotations": {"activity": (Annotation(9.0, 10.1, "walk"),)}}, "activity from 9.000 to 10.100 s"),
        ({"annotations": {"activity": (Annotation(2.0, 2.0, "walk"),)}}, "activity from 2.000 to 2.000 s"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        replace(recording(), **change)


def test_half_a_sample_of_rounding_is_allowed_at_the_end():
    replace(recording(), annotations={"activity": (Annotation(0.0, 10.009, "walk"),)})
