from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
from sensor_data import recording

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import Annotation, SensorRecording


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
        ({"rate": float("nan")}, "rate above 0"),
        ({"rate": float("inf")}, "rate above 0"),
        ({"subject": " "}, "expected a subject"),
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


@pytest.fixture
def unchecked(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checks of the tests


def marked(*values):
    return {"annotations": {"activity": tuple(Annotation(i, i + 1, value) for i, value in enumerate(values))}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: marked("walk", 1), r"a1: activity from 1\.000 to 2\.000 s: got 1 \(int\).*'1' for a class, 1\.0 for a quantity"),
        (lambda: marked(np.int64(3)), "'3' for a class"),
        (lambda: marked(True), "bool"),
        (lambda: marked(71.5, float("inf")), "a1: activity from 1.000 .* finite quantity"),
        (lambda: marked("walk", 71.5), "a1: activity: expected labels that are all names or all numbers, got 'walk' and 71.5"),
        (lambda: marked(b"walk"), "write 'walk' for a class"),
        ({"annotations": {"activity": ((0.0, 1.0, "walk"),)}}, r"write Annotation\(start, end, label\)"),
        (lambda: {"annotations": {"activity": (Annotation("0", 1.0, "walk"),)}}, "a start as a number, got '0'"),
        ({"rate": "50"}, "a1: expected a rate as a number, got '50'"),
        ({"rate": None}, "a rate as a number"),
        ({"rate": True}, "a rate as a number"),
        ({"subject": None}, "expected a subject"),
        ({"subject": float("nan")}, "expected a subject as text, got nan"),
        ({"subject": 3.0}, "expected a subject as text, got 3.0"),
        ({"id": 7}, "expected an id"),
        ({"channels": "xy"}, "expected channels as a tuple of text"),
        ({"units": ("g", None)}, "expected units as a tuple of text"),
        ({"values": [[0.0] * 500] * 2}, "expected values as an array of float32"),
        ({"values": np.zeros(500, np.float32)}, r"shape \(500,\)"),
        ({"values": np.zeros((2, 500), complex)}, "complex128"),
        ({"values": np.full((2, 500), 1e300)}, "infinite samples"),
    ],
)
def test_types_are_checked_at_the_door(unchecked, change, message):
    """What a test's type checker would refuse is made within the test, where it is off."""
    with pytest.raises(DataError, match=message):
        replace(recording(), **(change() if callable(change) else change))


def test_what_is_beyond_doubt_is_taken(unchecked):
    found = replace(
        recording(),
        id=np.str_("b1"),
        subject=np.int64(7),
        rate=np.float32(50),
        channels=["x", np.str_("y")],
        units=["g", "g"],
        values=np.arange(1000, dtype=np.int16).reshape(2, 500),
        custom={"age": np.int64(30)},
        **marked(np.str_("walk"), float("nan"), None),
    )
    assert (found.id, found.subject, found.rate, found.channels) == ("b1", "7", 50.0, ("x", "y"))
    assert found.values.dtype == np.float32 and found.values[1, 499] == 999
    assert [type(found.custom["age"]), *(stretch.value for stretch in found.annotations["activity"])] == [int, "walk", None, None]
    quantities = replace(recording(), **marked(np.float32(71.5), 60.0)).annotations["activity"]
    assert [type(stretch.value) for stretch in quantities] == [float, float]


def test_an_array_of_float32_is_kept_not_copied():
    values = np.zeros((2, 500), np.float32)
    assert replace(recording(), values=values).values is values


def test_masked_samples_are_missing():
    """numpy would save them as samples."""
    values = np.ma.masked_array(np.arange(20, dtype=np.float32).reshape(2, 10), np.arange(20).reshape(2, 10) % 3 == 0)
    found = SensorRecording("a", "p", 10.0, ("x", "y"), ("g", "g"), values)
    assert type(found.values) is np.ndarray and np.array_equal(np.isnan(found.values), values.mask)
    whole = np.ma.masked_array(np.arange(20, dtype=np.float32).reshape(2, 10), np.zeros((2, 10), bool))
    assert np.array_equal(SensorRecording("a", "p", 10.0, ("x", "y"), ("g", "g"), whole).values, whole.data)


def test_a_blank_makes_no_other_person():
    values = np.zeros((1, 10), np.float32)
    assert {SensorRecording("a", name, 10.0, ("x",), ("g",), values).subject for name in ("p1", "p1 ", " p1", "p1\n")} == {"p1"}


@pytest.mark.parametrize("annotations", [None, {"activity": None}])
def test_annotations_that_are_none_are_asked_for(annotations, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(DataError, match=r"a: .*expected annotations"):
        SensorRecording("a", "p", 10.0, ("x",), ("g",), np.zeros((1, 10), np.float32), annotations)
