import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import ConfigError, DataError
from audiossl.signals.sensors.subjects import SubjectSides, held_out_sides, subject_folds

NAMES = [f"p{i}" for i in range(10)]


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ((("a",), ("b",), ("a",)), "subject 'a' is on the sides 'train' and 'test'"),
        ((("a",), ("b",), ("b",)), "subject 'b' is on the sides 'valid' and 'test'"),
        ((("a",), ("b",), ()), "side 'test' has none"),
    ],
)
def test_nobody_is_on_two_sides(sides, message):
    with pytest.raises(DataError, match=message):
        SubjectSides(*sides)


@given(st.integers(4, 10), st.integers(2, 4), st.integers(0, 5))
def test_folds_test_everybody_once(count, folds, seed):
    found = subject_folds(NAMES[:count], folds, 1, seed)
    assert sorted(name for sides in found for name in sides.test) == sorted(NAMES[:count])
    for sides in found:
        assert sorted(sides.train + sides.valid + sides.test) == sorted(NAMES[:count])
        assert len(sides.valid) == 1


def test_named_test_subjects_are_held_out_whatever_the_seed():
    sides = [held_out_sides(NAMES, ["p3", "p7"], 2, seed) for seed in range(5)]
    assert {found.test for found in sides} == {("p3", "p7")}
    assert len({found.valid for found in sides}) > 1


def test_impossible_wishes_are_refused():
    with pytest.raises(ConfigError, match="test subjects who are not in the set"):
        held_out_sides(NAMES, ["who"], 1, 0)
    with pytest.raises(DataError, match="side 'train' has none"):
        held_out_sides(NAMES[:3], ["p0"], 2, 0)
    with pytest.raises(ConfigError, match="expected 2 to 10 folds"):
        subject_folds(NAMES, 11, 1, 0)
