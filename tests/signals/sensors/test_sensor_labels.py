"""Labels of recordings: what is a class, what a quantity, what is not known, and what is asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.signals.sensors.labels import as_label, ask_where_kind_is_open, declared, kind_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("walk", "walk"), (np.str_("walk"), "walk"), ("0", "0"), (71.5, 71.5), (np.float32(0.5), 0.5), (np.float64(2), 2.0),
        (None, None), (math.nan, None), (np.float32("nan"), None),
    ],
)  # fmt: skip
def test_text_is_a_class_a_float_a_quantity_and_nan_is_not_known(value, expected):
    label = as_label(value)
    assert label == expected and type(label) is type(expected)


def test_what_pandas_does_not_know_is_not_known():
    pandas = pytest.importorskip("pandas")
    assert as_label(pandas.NA) is None and as_label(pandas.NaT) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1, "write '1' for a class, 1.0 for a quantity"), (np.int64(3), "write '3' for a class, 3.0 for a quantity"),
        (True, r"True \(bool\)"), (np.bool_(False), "bool"), (b"walk", "write 'walk' for a class"), (math.inf, "finite quantity"),
        ("", "give None"), (" ", "give None"), ("nan", "give None"), ("<NA>", "give None"), ("n/a", "give None"),
        (("walk",), "tuple"),
    ],
)  # fmt: skip
def test_what_may_be_either_is_asked_for(value, said):
    with pytest.raises(DataError, match=said):
        as_label(value)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("ab", min_size=1), st.floats(allow_nan=False, allow_infinity=False))))
def test_labels_are_of_one_kind(labels):
    kinds = {"class" if isinstance(label, str) else "quantity" for label in labels if label is not None}
    if len(kinds) > 1:
        with pytest.raises(DataError, match="all names or all numbers"):
            kind_of(labels)
    else:
        assert kind_of(labels) == (kinds.pop() if kinds else None)


def test_declared_labels_are_what_they_are_declared_to_be():
    assert [declared(label, "class") for label in (0.0, 2.5, "a", None)] == ["0", "2.5", "a", None]
    assert [declared(label, "quantity") for label in (0.0, "72.4", None)] == [0.0, 72.4, None]
    assert declared("72.4", "auto") == "72.4"
    with pytest.raises(DataError, match="got '72,4'"):
        declared("72,4", "quantity")


@pytest.mark.parametrize(
    "labels", [["72.4", "80"], ["72,4", "71,9"], ["1e1", "2"], ["-1", "1"], [0.0, 1.0], [-1.0, 1.0], [1.0, None, 24.0]]
)
def test_numbers_as_text_and_small_whole_numbers_are_asked_for(labels):
    with pytest.raises(DataError, match=r"task\.kind=class.*task\.kind=quantity"):
        ask_where_kind_is_open(labels)


@pytest.mark.parametrize("labels", [["0", "1", "2"], ["walk", "7.5"], [1.5, 2.0, None], [60.0, 61.0], [-40.0, 1.0], []])
def test_names_codes_as_text_and_other_numbers_are_what_they_are(labels):
    ask_where_kind_is_open(labels)
