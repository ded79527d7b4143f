"""Average precision and ROC area of tags: closed forms, chance, weights as repetitions, intervals."""

from __future__ import annotations

import numpy as np
import pytest

from audiossl.errors import DataError
from audiossl.evaluation.tag_scores import TagScores, interval, resample_scores, tag_rows, tag_scores


def noisy(signal: float, seed: int = 0, count: int = 300) -> TagScores:
    random = np.random.default_rng(seed)
    tags = (random.random((count, 4)) < 0.3).astype(np.int64)
    scores = random.normal(size=(count, 4)) + signal * tags
    return TagScores(scores, tags, [f"clip-{index // 2}" for index in range(count)])


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


def test_intervals_are_as_wide_as_chance_and_tell_models_apart():
    draws = {signal: resample_scores(noisy(signal), 100, seed=1) for signal in (0.0, 1.5)}
    rows = {
        signal: {row.metric: row for row in tag_rows("toy", "tagging", "m", noisy(signal), draws[signal])} for signal in draws
    }
    chance, good = rows[0.0]["auroc"], rows[1.5]["auroc"]
    # Four tags on 90 of 300 clips: a standard error of sqrt(301 / (12 * 90 * 210)) / 2 each side of one half.
    assert abs(chance.value - 0.5) < 3 * 0.0182 and abs((chance.high - chance.low) / (2 * 1.96 * 0.0182) - 1) < 0.3
    assert good.low > 0.75 and good.n == 300 and rows[1.5]["map"].low > rows[0.0]["map"].high
    gap = interval(good.value - chance.value, draws[1.5]["auroc"] - draws[0.0]["auroc"])
    assert 0 < gap.low < gap.value < gap.high
    np.testing.assert_array_equal(draws[0.0]["map"], resample_scores(noisy(0.0), 100, seed=1)["map"])


def test_errors():
    scored = noisy(1.0)
    with pytest.raises(DataError, match="at least 2 groups"):
        resample_scores(TagScores(scored.scores, scored.tags, ["x"] * 300), 10, seed=1)
    empty = TagScores(scored.scores, np.zeros_like(scored.tags), scored.groups)
    with pytest.raises(DataError, match="nothing can be ranked"):
        tag_rows("toy", "tagging", "m", empty, {"map": np.zeros(2), "auroc": np.zeros(2)})
