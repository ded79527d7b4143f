"""Average precision and ROC area of tags: closed forms, chance, weights as repetitions, intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.evaluation.tag_scores import TagScores, leave_out_scores, tag_rows, tag_scores


def noisy(signal: float, seed: int = 0, count: int = 300) -> TagScores:
    random = np.random.default_rng(seed)
    tags = (random.random((count, 4)) < 0.3).astype(np.int64)
    scores = random.normal(size=(count, 4)) + signal * tags
    return TagScores(scores, tags, [f"clip-{index // 2}" for index in range(count)])


def test_more_groups_than_parts_are_left_out_some_at_a_time(monkeypatch):
    monkeypatch.setattr("audiossl.evaluation.tag_scores.MOST_PARTS", 40)
    scored = replace(noisy(1.0), groups=[f"clip-{index}" for index in range(300)])
    found, one_by_one = leave_out_scores(scored).interval("auroc"), leave_out_scores(scored, seed=1).interval("auroc")
    assert found.groups == 300 and found.value == one_by_one.value
    assert found.high - found.low == pytest.approx(one_by_one.high - one_by_one.low, rel=0.5)


def test_closed_forms():
    # Ranks of the positives: 1 and 3 of 4 for the first tag, last of 4 for the second; none and all for the others.
    scores = np.array([[4.0, 4.0, 1.0, 1.0], [3.0, 3.0, 2.0, 2.0], [2.0, 2.0, 3.0, 3.0], [1.0, 1.0, 4.0, 4.0]])
    tags = np.array([[1, 0, 0, 1], [0, 0, 0, 1], [1, 0, 0, 1], [0, 1, 0, 1]])
    found = tag_scores(TagScores(scores, tags, list("abcd")))
    np.testing.assert_allclose(found["map"], [(1 + 2 / 3) / 2, 1 / 4, np.nan, np.nan])
    np.testing.assert_allclose(found["auroc"], [3 / 4, 0, np.nan, np.nan])


def test_weights_are_repetitions():
    scored = noisy(1.0)
    times = np.random.default_rng(1).integers(0, 3, size=300)
    rows = np.repeat(np.arange(300), times)
    repeated = TagScores(scored.scores[rows], scored.tags[rows], ["x"] * len(rows))
    for metric, values in tag_scores(scored, times.astype(float)).items():
        np.testing.assert_allclose(values, tag_scores(repeated)[metric])


def test_intervals_are_as_wide_as_chance_and_tell_models_apart(monkeypatch):
    monkeypatch.setattr("audiossl.evaluation.tag_scores.MOST_PARTS", 50)
    left_out = {signal: leave_out_scores(noisy(signal)) for signal in (0.0, 1.5)}
    rows = {
        signal: {row.metric: row for row in tag_rows("toy", "tagging", "m", noisy(signal), found)}
        for signal, found in left_out.items()
    }
    chance, good = rows[0.0]["auroc"], rows[1.5]["auroc"]
    # Four tags on 90 of 300 clips: a standard error of sqrt(301 / (12 * 90 * 210)) / 2 each side of one half.
    assert abs(chance.value - 0.5) < 3 * 0.0182 and abs((chance.high - chance.low) / (2 * 1.96 * 0.0182) - 1) < 0.3
    assert good.low > 0.75 and good.n == 300 and rows[1.5]["map"].low > rows[0.0]["map"].high
    gap = left_out[1.5].minus(left_out[0.0], "auroc")
    assert 0 < gap.low < gap.value < gap.high and gap.groups == good.groups == 150
    assert gap.value == pytest.approx(good.value - chance.value)


def test_scores_of_few_groups_are_kept():
    scored = replace(noisy(1.5), groups=[f"day-{index % 6}" for index in range(300)])
    row = tag_rows("toy", "tagging", "m", scored, leave_out_scores(scored))[0]
    alone = tag_scores(scored, (np.arange(300) % 6 == 2).astype(float))["map"].mean()
    assert row.groups == 6 and row.scores["day-2"] == (pytest.approx(alone), 50.0)


def test_errors():
    scored = noisy(1.0)
    alone = leave_out_scores(TagScores(scored.scores, scored.tags, ["x"] * 300)).interval("map")
    assert (alone.low, alone.high, alone.groups) == (None, None, 1)
    empty = TagScores(scored.scores, np.zeros_like(scored.tags), scored.groups)
    with pytest.raises(DataError, match="nothing can be ranked"):
        tag_rows("toy", "tagging", "m", empty, leave_out_scores(empty))
