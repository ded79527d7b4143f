from dataclasses import replace

import pytest
from sensor_data import recording

from audiossl.errors import DataError
from audiossl.signals.sensors.agreement import Agreement
from audiossl.signals.sensors.recording import Annotation


def checked(*changes, one_rate=True):
    agreement = Agreement(one_rate)
    for number, change in enumerate([{}, *changes]):
        agreement.check(replace(recording(f"r{number}", "s"), **change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"units": ("g", "m/s^2")}, r"r1 has acc_x in g, acc_y in m/s\^2; r0 has acc_x in g, acc_y in g: they differ in units"),
        ({"channels": ("acc_y", "acc_x")}, "r1 has acc_y, acc_x; r0 has acc_x, acc_y: they differ in channels"),
        ({"rate": 49.0, "annotations": {}}, r"r1 has 49.0 Hz; r0 has 50.0 Hz: they differ in rate"),
        (
            {"annotations": {"activity": (Annotation(0.0, 1.0, 2.0),)}},
            "r1 has quantities, as numbers; r0 has classes, as text: they differ in labels of activity",
        ),
    ],
)
def test_what_differs_is_named_of_both(change, said):
    with pytest.raises(DataError, match=said):
        checked(change)


def test_what_need_not_agree():
    checked({"rate": 25.0, "annotations": {}}, {"annotations": {"activity": (Annotation(0.0, 1.0, None),)}}, one_rate=False)


def test_a_unit_is_the_same_in_every_spelling():
    agreement = Agreement()
    for number, units in enumerate([("m/s^2", "m/s^2"), ("m/s2", "m/s²"), ("m/s^2 ", "ms-2")]):
        agreement.check(replace(recording(f"r{number}", "s"), units=units))
