"""The scores of HEAR's scene tasks, by scikit-learn."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

ClipScore = Callable[[Float[np.ndarray, "N K"], Float[np.ndarray, "N K"]], float]


def accuracy(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Share of clips whose highest prediction is their class."""
    return float((predictions.argmax(1) == targets.argmax(1)).mean())


def chroma_accuracy(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Share of clips whose highest prediction is their pitch or octaves away from it."""
    return float((predictions.argmax(1) % 12 == targets.argmax(1) % 12).mean())


def mean_average_precision(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Average precision, mean over classes; a class without a clip counts as 0, as in the kit."""
    from sklearn.metrics import average_precision_score

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No positive class found")
        return float(average_precision_score(targets, predictions, average="macro"))


def areas(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "K"] | None:
    """Area under the ROC curve of each class; None where a class has no clip or all of them."""
    from sklearn.metrics import roc_auc_score

    if not (targets.any(0) & ~targets.all(0)).all():
        return None
    return np.array([roc_auc_score(target, prediction) for target, prediction in zip(targets.T, predictions.T, strict=True)])


def auroc(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Area under the ROC curve, mean over classes; NaN where `areas` is None."""
    found = areas(predictions, targets)
    return math.nan if found is None else float(found.mean())


def d_prime(predictions: Float[np.ndarray, "N K"], targets: Float[np.ndarray, "N K"]) -> float:
    """Square root of 2 times the normal quantile of the area under the ROC curve, mean over classes; infinite at area 1."""
    from scipy.stats import norm

    found = areas(predictions, targets)
    if found is None:
        return math.nan
    with np.errstate(invalid="ignore"):  # areas of 0 and of 1 in one mean
        return float(np.mean(norm.ppf(found) * math.sqrt(2)))
