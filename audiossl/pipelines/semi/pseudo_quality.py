"""What pseudo-labels are worth: accuracy, use of each class, and calibration."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

NUM_BINS = 10
CONFIDENT = 0.95


def pseudo_quality(answers: Float[Tensor, "U T K"], truth: Int[Tensor, "U T"]) -> dict[str, object]:
    """Compare what a model predicts of the pool with labels that it was not shown.

    Args:
        answers: logarithms of probabilities.
        truth: classes, -1 where they are not known; only the others are scored.

    Returns:
        `accuracy` of all predictions and of `confident` ones (probability of at least 0.95), the share of the pool that these
        are (`used`), their share by class (`use`), recall of each class (`recall`), and the expected calibration error over ten
        bins (`ece`).
    """
    probabilities = answers.exp().flatten(0, 1)
    confidence, pseudo = probabilities.max(1)
    y, count = truth.flatten(), probabilities.shape[1]
    known, sure = y >= 0, confidence >= CONFIDENT
    right = (pseudo == y).double()
    bins = (confidence * NUM_BINS).long().clamp(max=NUM_BINS - 1)
    gaps = [
        (chosen.sum() / known.sum().clamp(min=1)) * (right[chosen].mean() - confidence[chosen].double().mean()).abs()
        for number in range(NUM_BINS)
        if bool((chosen := known & (bins == number)).any())
    ]
    return {
        "accuracy": _mean(right[known]),
        "confident": _mean(right[known & sure]),
        "used": _mean(sure.double()),
        "use": [_mean((pseudo[sure] == k).double()) for k in range(count)],
        "recall": [_mean(right[y == k]) for k in range(count)],
        "ece": float(torch.stack(gaps).sum()) if gaps else None,
    }


def _mean(values: Float[Tensor, "_"]) -> float | None:
    return float(values.mean()) if len(values) else None
