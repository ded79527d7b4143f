"""Error rates against an edit distance written out, by group, with paired differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiossl.errors import DataError
from audiossl.evaluation.error_rates import count_errors, error_difference, error_rows

TEXTS = {"a": "press one now", "b": "press two", "c": "hang up now", "d": "yes"}
GROUPS = {"a": "x", "b": "x", "c": "y", "d": "z"}


def edit_distance(left, right):
    """Levenshtein's table, row by row."""
    row = list(range(len(right) + 1))
    for i, wanted in enumerate(left, 1):
        row, above = [i], row
        for j, found in enumerate(right, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (wanted != found)))
    return row[-1]


words = st.lists(st.sampled_from(["one", "two", "press", "on"]), min_size=1, max_size=6).map(" ".join)


@given(words, words | st.just(""))
def test_edits_are_levenshtein_distances(reference, hypothesis):
    counts = count_errors({"a": reference}, {"a": hypothesis}, {"a": "x"})
    expected = {"wer": (reference.split(), hypothesis.split()), "cer": (reference, hypothesis)}
    for metric, (left, right) in expected.items():
        assert counts[metric].edits.tolist() == [edit_distance(left, right)] and counts[metric].total.tolist() == [len(left)]


@pytest.mark.parametrize(
    "written", ["the\u00a0cat sofa", " the \t cat\u2028sofa\r\n", "the cat so\u00adfa", "\ufeffthe\u2003cat sofa"]
)
def test_what_nobody_hears_is_no_error(written):
    for reference, hypothesis in ((written, "the cat sofa"), ("the cat sofa", written)):
        counts = count_errors({"a": reference}, {"a": hypothesis}, {"a": "x"})
        assert counts["wer"].edits.tolist() == counts["cer"].edits.tolist() == [0]
        assert (counts["wer"].total.tolist(), counts["cer"].total.tolist()) == ([3], [12])
    assert count_errors({"a": "cafe\u0301"}, {"a": "café"}, {"a": "x"})["cer"].edits.tolist() == [0]


def test_groups_add_up_and_make_intervals():
    answers = {"a": "press on now", "b": "press two", "c": "", "d": "yes sir"}
    counts = count_errors(TEXTS, answers, GROUPS)
    assert counts["wer"].edits.tolist() == [1, 3, 1] and counts["wer"].total.tolist() == [5, 3, 1]
    rows = {row.metric: row for row in error_rows("toy", "ctc", "finetuned", counts, 200)}
    assert rows["wer"].value == pytest.approx(5 / 9) and rows["wer"].n == 9 and rows["cer"].n == sum(map(len, TEXTS.values()))
    assert rows["wer"].low < rows["wer"].value < rows["wer"].high
    assert rows["wer"].groups == 3 and set(rows["wer"].scores.values()) == {(1 / 5, 5.0), (3 / 3, 3.0), (1.0, 1.0)}


def test_paired_difference():
    good, bad = count_errors(TEXTS, TEXTS, GROUPS)["cer"], count_errors(TEXTS, dict.fromkeys(TEXTS, ""), GROUPS)["cer"]
    gap = error_difference(good, bad)
    assert (gap.value, gap.low, gap.high) == (-1, None, None)  # every group loses everything, which bounds no other group's loss
    with pytest.raises(DataError, match="same references"):
        error_difference(good, count_errors({**TEXTS, "d": "yes yes"}, TEXTS, GROUPS)["cer"])


def test_references_without_a_word_have_no_rate():
    with pytest.raises(DataError, match="every reference is empty"):
        error_rows("d", "t", "m", count_errors({"a": ""}, {"a": "x"}, {"a": "g"}))


def test_missing_hypothesis_and_lone_group():
    with pytest.raises(DataError, match="1 have none, the first is 'd'"):
        count_errors(TEXTS, dict.fromkeys("abc", ""), GROUPS)
    alone = error_rows("toy", "ctc", "m", count_errors(TEXTS, TEXTS, dict.fromkeys(TEXTS, "x")))
    assert [(row.value, row.low, row.high, row.groups) for row in alone] == [(0, None, None, 1)] * 2
    assert torch.equal(count_errors({}, {}, {})["wer"].edits, torch.zeros(0, dtype=torch.float64))
