import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.evaluation.hear.event_counts import EventCounts, count_matches, count_segments
from audiossl.evaluation.hear.events import find_events, frame_labels
from audiossl.evaluation.hear.scores import score_events

EVENTS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 20)), max_size=4).map(
    lambda rows: [(label, 100.0 * start, 100.0 * (start + length)) for label, start, length in rows]
)


def slow_matches(reference, estimate, collar, share):
    def fits(one, other):
        near = one[0] == other[0] and abs(one[1] / 1000 - other[1] / 1000) <= collar
        room = max(collar, (share or 0) * (one[2] / 1000 - one[1] / 1000))
        return near and (share is None or abs(one[2] / 1000 - other[2] / 1000) <= room)

    smaller, larger = (reference, estimate) if len(reference) <= len(estimate) else (estimate, reference)
    ways = itertools.permutations(larger, len(smaller))
    pairs = (zip(smaller, way, strict=True) if smaller is reference else zip(way, smaller, strict=True) for way in ways)
    return float(max(sum(fits(one, other) for one, other in way) for way in pairs))


@settings(max_examples=60, deadline=None)
@given(EVENTS, EVENTS, st.sampled_from([None, 0.2]))
def test_the_most_pairs_are_counted(reference, estimate, share):
    found = count_matches(reference, estimate, 0.25, share)
    assert found == EventCounts(slow_matches(reference, estimate, 0.25, share), float(len(reference)), float(len(estimate)))


@settings(max_examples=60, deadline=None)
@given(EVENTS, EVENTS)
def test_segments_are_counted_one_by_one(reference, estimate):
    errors = hits = 0
    for second in range(8):
        active = [
            {label for label, start, end in side if start < 1000 * (second + 1) and end > 1000 * second}
            for side in (reference, estimate)
        ]
        hit = len(active[0] & active[1])
        hits += hit
        errors += max(len(active[0]), len(active[1])) - hit
    found = count_segments(reference, estimate)
    assert (found.errors, found.true_positives) == (errors, hits)


def test_rates_of_nothing():
    assert math.isnan(EventCounts(0.0, 3.0, 0.0).f_measure) and EventCounts(0.0, 3.0, 2.0).f_measure == 0
    assert EventCounts(2.0, 4.0, 2.0).f_measure == pytest.approx(2 / 3)


def test_an_event_ends_with_its_last_frame():
    predictions = np.array([[0.1], [0.9], [0.8], [0.9], [0.2], [0.9]])
    times = np.arange(6) * 20.0
    assert find_events(predictions, times, ["a"], 0, 0) == [("a", 20.0, 60.0), ("a", 100.0, 100.0)]
    assert find_events(predictions, times, ["a"], 0, 40) == [("a", 20.0, 60.0)]
    # Three frames wide: the gap is outvoted, the frame at the border counts twice.
    assert find_events(predictions, times, ["a"], 60, 0) == [("a", 20.0, 100.0)]


def test_an_even_median_shifts_by_half_a_frame():
    predictions = np.zeros((9, 1))
    predictions[3:6] = 1
    # Of four, two are enough: the run of three becomes one of four, half a frame later.
    assert find_events(predictions, np.arange(9) * 20.0, ["a"], 80, 0) == [("a", 60.0, 120.0)]


def test_frames_carry_the_events_that_they_lie_in():
    times = np.array([0, 10, 20, 30], dtype=np.float32)
    assert frame_labels([("b", 10.0, 20.0)], times, ["a", "b"]).tolist() == [
        [False, False],
        [False, True],
        [False, True],
        [False, False],
    ]


def test_files_without_a_prediction_count_as_misses():
    reference = {"x.wav": [("a", 0.0, 500.0)], "y.wav": [("a", 0.0, 500.0)]}
    found = score_events(["event_onset_200ms_fms"], reference, {"x.wav": [("a", 100.0, 400.0)], "y.wav": []})
    assert found["event_onset_200ms_fms"] == pytest.approx(2 / 3) and found["event_onset_200ms_fms_recall"] == 0.5
