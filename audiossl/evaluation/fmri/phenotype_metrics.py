"""Scores of phenotypes, how far they may be off, and by how much they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Shaped

from audiossl.evaluation.fmri.persons import Persons
from audiossl.evaluation.fmri.phenotype_config import PhenotypeConfig
from audiossl.evaluation.intervals import MOST_PARTS, Interval, divide_groups, leave_out_interval, range_of
from audiossl.seeds import derive_generator


def metrics_of_repeats(
    people: Persons, answers: list[Float[np.ndarray, "P *K"]], config: PhenotypeConfig
) -> dict[str, list[float]]:
    """Every metric, a value for each repeat."""
    each = [metrics_of(people, predicted, config.by_site) for predicted in answers]
    return {name: [one[name] for one in each] for name in each[0]}


def metric_intervals(people: Persons, answers: list[Float[np.ndarray, "P *K"]], config: PhenotypeConfig) -> dict[str, Interval]:
    """Leave families out in turn; a metric that is not defined without one of them, for lack of a class, has no ends."""
    names, family = np.unique(people.groups, return_inverse=True)
    parts = divide_groups(len(names), MOST_PARTS, derive_generator(config.seed, "families")).numpy()[family]
    whole = _means(people, answers, config)
    without: dict[str, list[float]] = {}
    for part in range(int(parts.max()) + 1):
        kept = parts != part
        some = people.only(kept)
        if not kept.any() or (people.is_class and len(set(some.labels)) < len(set(people.labels))):
            found = dict.fromkeys(whole, float("nan"))
        else:
            found = _means(some, [predicted[kept] for predicted in answers], config)
        for name, value in found.items():
            without.setdefault(name, []).append(value)
    sizes = torch.from_numpy(np.bincount(parts)).double()
    return {
        name: leave_out_interval(value, torch.tensor(without[name], dtype=torch.float64), sizes, range_of(name), len(names))
        for name, value in whole.items()
    }


def _means(people: Persons, answers: list[Float[np.ndarray, "P *K"]], config: PhenotypeConfig) -> dict[str, float]:
    return {name: float(np.mean(values)) for name, values in metrics_of_repeats(people, answers, config).items()}


def metrics_of(people: Persons, answers: Float[np.ndarray, "P *K"], by_site: bool) -> dict[str, float]:
    """Scores of one division; a thousand draws of an interval want them a hundred times faster than scikit-learn's."""
    if not people.is_class:
        error = answers - people.labels
        spread = float(np.square(people.labels - people.labels.mean()).sum())
        varies = np.std(answers) > 0 and spread > 0
        return {
            "mae": float(np.abs(error).mean()),
            "r2": 1 - float(np.square(error).sum()) / spread if spread > 0 else float("nan"),
            "correlation": float(np.corrcoef(people.labels, answers)[0, 1]) if varies else 0.0,
        }
    classes, truth = np.unique(people.labels, return_inverse=True)
    chosen = (answers > 0).astype(int) if len(classes) == 2 else answers.argmax(1)
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (truth, chosen), 1)
    right, true, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    return {
        "auroc": _area_inside_sites(people, answers) if by_site else _area(people.labels, answers),
        "accuracy": float(right.sum() / counts.sum()),
        "balanced_accuracy": float((right / true).mean()),
        "macro_f1": float((2 * right / (true + predicted)).mean()),
    }


def _area(labels: Shaped[np.ndarray, "P"], answers: Float[np.ndarray, "P *K"]) -> float:
    """AUROC of two classes, or its mean over classes against the rest; NaN where one class alone is there."""
    from scipy.stats import rankdata

    classes = np.unique(labels)
    if len(classes) < 2:
        return float("nan")
    areas = []
    for name, values in zip(classes[1:], [answers], strict=True) if answers.ndim == 1 else zip(classes, answers.T, strict=True):
        own = labels == name
        count = int(own.sum())
        areas.append((rankdata(values)[own].sum() - count * (count + 1) / 2) / (count * (len(labels) - count)))
    return float(np.mean(areas))


def areas_of_sites(people: Persons, answers: Float[np.ndarray, "P *K"]) -> dict[str, float]:
    """AUROC inside each site that has people of all classes."""
    assert people.sites is not None
    classes = set(people.labels)
    rows = {str(site): people.sites == site for site in np.unique(people.sites)}
    return {site: _area(people.labels[at], answers[at]) for site, at in rows.items() if set(people.labels[at]) == classes}


def _area_inside_sites(people: Persons, answers: Float[np.ndarray, "P *K"]) -> float:
    """Mean of the sites' AUROCs, weighted by people; NaN where no site has people of all classes."""
    areas = areas_of_sites(people, answers)
    counts = [int((people.sites == site).sum()) for site in areas]
    return float(np.average(list(areas.values()), weights=counts)) if areas else float("nan")


def corrected_t_test(differences: Sequence[float], folds: int) -> float:
    """Two-sided p of the mean of repeated cross-validation differences, with the variance that overlap of training sets asks for.

    Nadeau and Bengio 2003, Machine Learning 52: the variance is multiplied by 1 / n + 1 / (folds - 1) instead of 1 / n.
    """
    from scipy.stats import t

    values = np.asarray(differences, float)
    scale = values.std(ddof=1) * np.sqrt(1 / len(values) + 1 / (folds - 1))
    return float(2 * t.sf(abs(values.mean()) / max(scale, 1e-300), len(values) - 1))
