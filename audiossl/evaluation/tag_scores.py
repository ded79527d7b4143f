"""Mean average precision and mean area under the ROC curve of tags, with intervals over groups of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from audiossl.errors import DataError
from audiossl.evaluation.bootstrap import Interval
from audiossl.evaluation.results import ResultRow
from audiossl.seeds import derive_seed

METRICS = ("map", "auroc")


@dataclass(frozen=True)
class TagScores:
    """Scores of the tags of every clip, larger for more likely, the truth (0 or 1), and the group of each clip."""

    scores: Float[np.ndarray, "B K"]
    tags: Int[np.ndarray, "B K"]
    groups: Sequence[str]


def tag_scores(scored: TagScores, weights: Float[np.ndarray, "B"] | None = None) -> dict[str, Float[np.ndarray, "K"]]:
    """Average precision (`map`) and area under the ROC curve (`auroc`) of each tag; NaN where all clips or none have it.

    Args:
        scored: what was predicted and what is true.
        weights: how often each clip counts, all once by default.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    weights = np.ones(len(scored.tags)) if weights is None else weights
    kept = weights > 0
    tags, scores, weights = scored.tags[kept], scored.scores[kept], weights[kept]
    values = {metric: np.full(tags.shape[1], np.nan) for metric in METRICS}
    for tag in np.flatnonzero(tags.any(axis=0) & ~tags.all(axis=0)):
        for metric, score in zip(METRICS, (average_precision_score, roc_auc_score), strict=True):
            values[metric][tag] = score(tags[:, tag], scores[:, tag], sample_weight=weights)
    return values


def resample_scores(scored: TagScores, num_resamples: int, seed: int) -> dict[str, Float[np.ndarray, "R"]]:
    """Mean over tags in resamples of the groups; models scored on the same clips with the same seed meet the same draws.

    Raises:
        DataError: if there are fewer than two groups.
    """
    names, place = np.unique(np.asarray(scored.groups), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"expected at least 2 groups to resample for an interval, got {len(names)}: use a finer grouping")
    generator = np.random.default_rng(derive_seed(seed, "tags", "bootstrap"))
    means: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for _ in range(num_resamples):
        drawn = np.bincount(generator.integers(len(names), size=len(names)), minlength=len(names))
        for metric, values in tag_scores(scored, drawn[place].astype(float)).items():
            means[metric].append(_mean(values))
    return {metric: np.array(values) for metric, values in means.items()}


def tag_rows(
    dataset: str, task: str, model: str, scored: TagScores, resampled: dict[str, Float[np.ndarray, "R"]]
) -> list[ResultRow]:
    """Means over tags with 95 % intervals; `n` counts clips.

    Raises:
        DataError: if no tag is on some clips and off others.
    """
    whole = {metric: _mean(values) for metric, values in tag_scores(scored).items()}
    if any(np.isnan(value) for value in whole.values()):
        raise DataError(f"no tag of {dataset} is on some of {len(scored.tags)} test clips and off others; nothing can be ranked")
    found = {metric: interval(whole[metric], resampled[metric]) for metric in METRICS}
    return [ResultRow(dataset, task, model, metric, *_ends(found[metric]), len(scored.tags)) for metric in METRICS]


def interval(value: float, resampled: Float[np.ndarray, "R"]) -> Interval:
    """A value with the 95 % percentile interval of its resamples."""
    low, high = np.nanquantile(resampled, [0.025, 0.975]).tolist()
    return Interval(value, low, high)


def _mean(values: Float[np.ndarray, "K"]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _ends(found: Interval) -> tuple[float, float, float]:
    return found.value, found.low, found.high
