"""Mean average precision and mean area under the ROC curve of tags, with intervals over groups of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from audiossl.errors import DataError
from audiossl.evaluation.intervals import MOST_PARTS, Interval, divide_groups, leave_out_interval, range_of
from audiossl.evaluation.results import GroupScores, ResultRow
from audiossl.seeds import derive_generator

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


@dataclass(frozen=True)
class LeftOut:
    """Means over tags of all clips and without each part of the groups.

    Attributes:
        whole: score of everything, by metric.
        without: scores without each part in turn, by metric.
        sizes: clips of each part.
        groups: groups that the parts are made of.
        scores: scores of each group alone, by metric; empty where the groups are more than the parts.
    """

    whole: dict[str, float]
    without: dict[str, Float[Tensor, "P"]]
    sizes: Float[Tensor, "P"]
    groups: int
    scores: dict[str, GroupScores]

    def interval(self, metric: str) -> Interval:
        """A metric with its 95 % interval over groups."""
        return leave_out_interval(self.whole[metric], self.without[metric], self.sizes, range_of(metric), self.groups)

    def minus(self, other: LeftOut, metric: str) -> Interval:
        """How much higher a metric is than another model's on the same clips, with the paired interval."""
        gaps, value = self.without[metric] - other.without[metric], self.whole[metric] - other.whole[metric]
        return leave_out_interval(value, gaps, self.sizes, range_of(metric).of_differences, self.groups)


def leave_out_scores(scored: TagScores, seed: int = 0) -> LeftOut:
    """Means over tags without each group; of more than 200 groups, without each of 200 parts that the seed divides them into."""
    names, place = np.unique(np.asarray(scored.groups), return_inverse=True)
    parts = divide_groups(len(names), MOST_PARTS, derive_generator(seed, "tags")).numpy()[place]
    without: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for part in range(int(parts.max()) + 1):
        for metric, values in tag_scores(scored, (parts != part).astype(float)).items():
            without[metric].append(_mean(values))
    whole = {metric: _mean(values) for metric, values in tag_scores(scored).items()}
    left_out = {metric: torch.tensor(values, dtype=torch.float64) for metric, values in without.items()}
    sizes = torch.from_numpy(np.bincount(parts)).double()
    return LeftOut(whole, left_out, sizes, len(names), _of_groups(scored, names, place) if len(names) <= MOST_PARTS else {})


def tag_rows(dataset: str, task: str, model: str, scored: TagScores, left_out: LeftOut) -> list[ResultRow]:
    """Means over tags with 95 % intervals; `n` counts clips.

    Raises:
        DataError: if no tag is on some clips and off others.
    """
    if any(np.isnan(value) for value in left_out.whole.values()):
        raise DataError(f"no tag of {dataset} is on some of {len(scored.tags)} test clips and off others; nothing can be ranked")
    count = len(scored.tags)
    return [
        ResultRow.of(dataset, task, model, metric, left_out.interval(metric), count, left_out.scores.get(metric))
        for metric in METRICS
    ]


def _of_groups(scored: TagScores, names: Shaped[np.ndarray, "G"], place: Int[np.ndarray, "B"]) -> dict[str, GroupScores]:
    found: dict[str, dict[str, tuple[float | None, float]]] = {metric: {} for metric in METRICS}
    for number, name in enumerate(names):
        here = place == number
        for metric, values in tag_scores(scored, here.astype(float)).items():
            mean = _mean(values)
            found[metric][str(name)] = (None if np.isnan(mean) else mean, float(here.sum()))
    return dict(found)


def _mean(values: Float[np.ndarray, "K"]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
