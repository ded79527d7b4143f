from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiossl.signals.sensors.recording import Annotation
from audiossl.signals.sensors.stretches import label_stretches


@given(st.lists(st.integers(-1, 3), max_size=30), st.sampled_from([1.0, 50.0, 64.0]))
def test_samples_of_stretches_are_the_labels(labels, rate):
    stretches = label_stretches(labels, rate, {1: "one", 2: "two", 3: "three"})
    painted = np.zeros(len(labels), int)
    for stretch in stretches:
        painted[round(stretch.start * rate) : round(stretch.end * rate)] = ["zero", "one", "two", "three"].index(stretch.value)
    np.testing.assert_array_equal(painted, [max(0, label) for label in labels])
    for one, following in pairwise(stretches):
        assert one.end < following.start or (one.end == following.start and one.value != following.value)


def test_labels_may_be_names():
    (stretch,) = label_stretches(["", "walk", "walk"], 2.0, {"walk": "walking"})
    assert (stretch.start, stretch.end, stretch.value) == (0.5, 1.5, "walking")


@pytest.mark.parametrize("gap", [None, np.nan, "NA of pandas", "n/a"])
def test_a_column_of_text_may_have_gaps(gap):
    """As pandas gives labels out: objects, some of them not known."""
    if gap == "NA of pandas":
        gap = pytest.importorskip("pandas").NA
    labels = np.array(["walk", "walk", gap, gap, "walk", "sit"], object)
    expected = (Annotation(0.0, 0.2, "walk"), Annotation(0.4, 0.5, "walk"), Annotation(0.5, 0.6, "sitting"))
    names = {"walk": "walk", "sit": "sitting"}
    assert label_stretches(labels, 10.0, names) == expected
    assert label_stretches(list(labels), 10.0, names) == expected
