"""Search spoken queries in documents: subsequence DTW over frames, and the term-weighted value (QUESST 2014)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

MIN_QUERY_FRAMES = 5
# QUESST 2014's prior of a match and costs of a false alarm and a miss, which weigh a false alarm so many times a miss.
PRIOR, FALSE_ALARM_COST, MISS_COST = 0.0008, 1.0, 100.0
BETA = FALSE_ALARM_COST / MISS_COST * (1 / PRIOR - 1)
BATCH_FRAMES = 400_000  # of padded documents, that are searched at once


def match_scores(
    queries: Sequence[Float[np.ndarray, "_ D"]], documents: Sequence[Float[np.ndarray, "_ D"]]
) -> Float[np.ndarray, "Q N"]:
    """Score every query in every document: minus the normalised cost of its best stretch, as s3prl does with dtw-python.

    Every dimension is standardised over all frames of queries and documents. The distance of two frames is
    `exp(1 - cosine) - 1`, brought to 0 ... 1 for each frame of the query over the document. Paths advance one frame of the query
    and 0, 1 or 2 of the document at a time, and begin and end anywhere in it. A query of fewer than five frames scores 0.
    """
    frames = np.concatenate([*queries, *documents]).astype(np.float64)
    mean, deviation = frames.mean(0), np.maximum(frames.std(0, ddof=1), 1e-9)
    sides = [[_unit((item - mean) / deviation) for item in side] for side in (queries, documents)]
    scores = np.zeros((len(queries), len(documents)))
    order = np.argsort([len(document) for document in sides[1]], kind="stable")
    for chosen in _batches(order, sides[1]):
        lengths = np.array([len(sides[1][i]) for i in chosen])
        padded = np.zeros((len(chosen), lengths.max(), sides[1][0].shape[1]))
        for row, i in zip(padded, chosen, strict=True):
            row[: len(sides[1][i])] = sides[1][i]
        for number, query in enumerate(sides[0]):
            if len(query) >= MIN_QUERY_FRAMES:
                scores[number, chosen] = -subsequence_costs(_distances(query, padded, lengths), lengths)
    return scores


def subsequence_costs(distances: Float[np.ndarray, "Q N T"], lengths: np.ndarray) -> Float[np.ndarray, "N"]:
    """Cost of the best path through each document, per frame of the query.

    Args:
        distances: distances of each frame of the query to each of each document; those beyond a document's length count as
            infinite.
        lengths: frames of each document.
    """
    outside = np.arange(distances.shape[2])[None] >= lengths[:, None]
    cost = np.where(outside, np.inf, distances[0])
    for row in distances[1:]:
        best = cost.copy()
        best[:, 1:] = np.minimum(best[:, 1:], cost[:, :-1])
        best[:, 2:] = np.minimum(best[:, 2:], cost[:, :-2])
        cost = np.where(outside, np.inf, row) + best
    return cost.min(1) / len(distances)


def standard_scores(scores: Float[np.ndarray, "Q N"]) -> Float[np.ndarray, "Q N"]:
    """Scores of each query with mean 0 and deviation 1 over documents."""
    return (scores - scores.mean(1, keepdims=True)) / np.maximum(scores.std(1, keepdims=True), 1e-9)


def term_weighted_values(
    scores: Float[np.ndarray, "Q N"], matches: Bool[np.ndarray, "Q N"], thresholds: Float[np.ndarray, "H"]
) -> Float[np.ndarray, "_ H"]:
    """1 - P_miss - beta P_false_alarm of each query that has a match, at each threshold; a score at it counts as found."""
    known = matches.any(1)
    values = np.zeros((int(known.sum()), len(thresholds)))
    for row, score, match in zip(values, scores[known], matches[known], strict=True):
        for found, sign in ((np.sort(score[match]), 1.0), (np.sort(score[~match]), -BETA)):
            if len(found):
                row += sign * (len(found) - np.searchsorted(found, thresholds, side="left")) / len(found)
    return values


def maximum_term_weighted_value(scores: Float[np.ndarray, "Q N"], matches: Bool[np.ndarray, "Q N"]) -> tuple[float, float]:
    """The largest mean over queries of the term-weighted value, 0 if nothing helps, and its threshold."""
    thresholds = np.append(np.unique(scores), np.inf)
    values = term_weighted_values(scores, matches, thresholds).mean(0)
    best = int(values.argmax())
    return float(values[best]), float(thresholds[best])


def _unit(frames: Float[np.ndarray, "T D"]) -> Float[np.ndarray, "T D"]:
    return frames / np.maximum(np.linalg.norm(frames, axis=1, keepdims=True), 1e-12)


def _distances(
    query: Float[np.ndarray, "Q D"], documents: Float[np.ndarray, "N T D"], lengths: np.ndarray
) -> Float[np.ndarray, "Q N T"]:
    distances = np.exp(1 - np.einsum("qd,ntd->qnt", query, documents, optimize=True)) - 1
    outside = np.arange(documents.shape[1])[None] >= lengths[:, None]
    low = np.where(outside, np.inf, distances).min(2, keepdims=True)
    high = np.where(outside, -np.inf, distances).max(2, keepdims=True)
    return (distances - low) / np.maximum(high - low, 1e-9)


def _batches(order: np.ndarray, documents: Sequence[np.ndarray]) -> list[list[int]]:
    batches: list[list[int]] = []
    for i in order.tolist():
        if batches and (len(batches[-1]) + 1) * len(documents[i]) <= BATCH_FRAMES:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
