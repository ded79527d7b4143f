"""No label is lost without a word: each known one is either in a window or counted with its reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_data import recording

from audiossl.signals.sensors.label_counts import LabelCounts
from audiossl.signals.sensors.recording import Annotation
from audiossl.signals.sensors.windows import WindowConfig, cut_and_count


def counted(marks, classes=(), seconds=2.0, hop=2.0, **change):
    one = recording(annotations={"act": tuple(Annotation(*mark) for mark in marks)})
    one.values[0, 400:] = np.nan
    windows, counts = cut_and_count([one], replace(WindowConfig(seconds, hop), **change), "act", classes)
    return [window.value for window in windows], counts


def test_each_label_has_its_fate():
    """10 s at 50 Hz in windows of 2 s; nothing is known behind 8 s."""
    values, counts = counted(
        [(0.0, 2.0, "a"), (2.5, 3.5, "short"), (4.0, 6.0, "b"), (4.0, 6.0, "c"), (6.0, 8.0, None), (8.0, 10.0, "behind")]
    )
    assert values == ["a", None, None, None]
    assert counts == LabelCounts("act", 4, 1, 5, held=1, partly=1, ambiguous=2, outside=1, unknown=1)
    assert counts.lost == 4
    assert str(counts) == (
        "4 of 5 labels of act are in no window (1 covered by no whole window, 2 with another label in the same windows, "
        "1 where no window is); 1 label of act not known"
    )


def test_labels_that_agree_are_no_contradiction_and_others_do_not_count():
    values, counts = counted([(0.0, 4.0, "a"), (2.0, 4.0, "a"), (4.0, 6.0, "b")], classes=["a"])
    assert values == ["a", "a", None, None]
    assert (counts.labels, counts.held, counts.left_out, str(counts)) == (2, 2, 1, "")


def test_by_annotation_a_label_is_lost_only_with_its_window():
    values, counts = counted([(1.0, 1.5, "a"), (1.2, 9.0, "b"), (9.0, 9.5, "c")], by="annotation")
    assert values == ["a", "b"]
    assert (counts.held, counts.outside) == (2, 1)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0.1, 5), st.sampled_from(["a", "b", None])), max_size=12),
    st.sampled_from([0.5, 1.0, 2.0, 3.3]),
)
def test_counts_add_up_and_agree_with_a_search_of_all_pairs(marks, seconds):
    marks = [(start, min(start + length, 10.0), value) for start, length, value in marks if start < 9.9]
    one = recording(annotations={"act": tuple(Annotation(*mark) for mark in marks)})
    windows, counts = cut_and_count([one], WindowConfig(seconds, 1.0), "act")
    held = set()
    for number, window in enumerate(windows):
        first, last = (number * 50 + 0.5) / 50, (number * 50 + seconds * 50 - 0.5) / 50
        inside = [place for place, (start, end, _) in enumerate(marks) if start < first and last < end and marks[place][2]]
        labels = {marks[place][2] for place in inside}
        assert window.value == (labels.pop() if len(labels) == 1 else None)
        held.update(inside if window.value else ())
    assert counts.held == len(held)
    assert counts.labels == counts.held + counts.partly + counts.ambiguous + counts.outside
    assert counts.labels + counts.unknown == len(marks)
    assert (counts.windows, counts.labelled) == (len(windows), sum(window.value is not None for window in windows))
