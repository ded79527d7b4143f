import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiossl.evaluation.superb.heads.query_search import (
    BETA,
    match_scores,
    maximum_term_weighted_value,
    standard_scores,
    subsequence_costs,
    term_weighted_values,
)


def slow_cost(distances):
    """Every cell by itself: one step of the query, 0 to 2 of the document."""
    rows, columns = distances.shape
    cost = np.full((rows, columns), np.inf)
    for i in range(rows):
        for j in range(columns):
            before = 0.0 if i == 0 else min(cost[i - 1, j - k] for k in range(3) if j >= k)
            cost[i, j] = distances[i, j] + before
    return cost[-1].min() / rows


def slow_score(query, document, mean, deviation):
    query, document = (query - mean) / deviation, (document - mean) / deviation
    norms = np.linalg.norm(query, axis=1)[:, None] * np.linalg.norm(document, axis=1)[None]
    distances = np.exp(1 - query @ document.T / norms) - 1
    low, high = distances.min(1, keepdims=True), distances.max(1, keepdims=True)
    return (distances - low) / np.maximum(high - low, 1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 12), st.integers(1, 20), st.integers(0, 2**31))
def test_costs_are_those_of_cells_one_by_one(rows, columns, seed):
    distances = np.random.default_rng(seed).random((rows, columns))
    padded = np.full((rows, 2, 25), 7.0)
    padded[:, 0, :columns] = distances
    padded[:, 1] = np.random.default_rng(seed + 1).random((rows, 25))
    found = subsequence_costs(padded, np.array([columns, 25]))
    np.testing.assert_allclose(found, [slow_cost(distances), slow_cost(padded[:, 1])])


def test_scores_are_those_of_pairs_one_by_one():
    rng = np.random.default_rng(0)
    queries = [rng.standard_normal((size, 6)) + 2 for size in (7, 4, 9)]
    documents = [rng.standard_normal((size, 6)) + 2 for size in (30, 8, 21, 3)]
    frames = np.concatenate([*queries, *documents])
    scale = frames.mean(0), frames.std(0, ddof=1)
    expected = [
        [0.0 if len(query) < 5 else -slow_cost(slow_score(query, document, *scale)) for document in documents]
        for query in queries
    ]
    np.testing.assert_allclose(match_scores(queries, documents), expected, atol=1e-12)


@pytest.mark.skipif(importlib.util.find_spec("dtw") is None, reason="dtw-python, which s3prl scores with, is not installed")
def test_costs_are_dtw_pythons():
    from dtw import dtw

    rng = np.random.default_rng(0)
    for rows, columns in ((5, 40), (12, 13), (20, 9)):
        distances = rng.random((rows, columns))
        theirs = dtw(distances, step_pattern="asymmetric", open_begin=True, open_end=True).normalizedDistance
        assert subsequence_costs(distances[:, None], np.array([columns]))[0] == pytest.approx(theirs, abs=1e-12)


def test_a_planted_query_is_found():
    rng = np.random.default_rng(0)
    documents = [rng.standard_normal((60, 8)) for _ in range(6)]
    queries = [documents[i][20:35] + 0.05 * rng.standard_normal((15, 8)) for i in (1, 4)]
    scores = standard_scores(match_scores(queries, documents))
    assert scores.argmax(1).tolist() == [1, 4]
    np.testing.assert_allclose([scores.mean(), scores.std()], [0, 1], atol=1e-9)
    matches = np.zeros((2, 6), dtype=bool)
    matches[[0, 1], [1, 4]] = True
    assert maximum_term_weighted_value(scores, matches)[0] == 1.0


def test_term_weighted_values():
    assert pytest.approx(12.49) == BETA
    scores = np.array([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0]])
    matches = np.array([[True, False, True, False], [True, False, False, False], [False] * 4])
    values = term_weighted_values(scores, matches, np.array([2.5, np.inf]))
    # At 2.5 the first finds one of two without false alarms, the second one false alarm of three; the third has no match.
    np.testing.assert_allclose(values, [[0.5, 0.0], [-BETA / 3, 0.0]])
    assert maximum_term_weighted_value(scores, matches)[0] == 0.0
