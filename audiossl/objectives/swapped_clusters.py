"""Swapped clusters: the code of one view is predicted from the other (SwAV, arXiv 2006.09882)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def sinkhorn(scores: Float[Tensor, "N K"], epsilon: float = 0.05, iterations: int = 3) -> Float[Tensor, "N K"]:
    """Codes of rows over prototypes that share the rows out evenly (Sinkhorn-Knopp), in float32.

    Args:
        scores: cosines of rows, of all ranks, and prototypes.
        epsilon: the smaller, the harder the codes.
        iterations: rounds of scaling prototypes, then rows.

    Returns:
        codes that add up to 1 in each row, and more and more nearly to N / K in each column.

    >>> sinkhorn(torch.tensor([[1.0, 0.9], [1.0, 0.2]])).round().tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    logits = scores.float() / epsilon
    for _ in range(iterations):
        logits = logits - logits.logsumexp(0, keepdim=True)
        logits = logits - logits.logsumexp(1, keepdim=True)
    return logits.exp() if iterations else logits.softmax(1)


def predict_code(scores: Float[Tensor, "N K"], codes: Float[Tensor, "N K"], temperature: float) -> Float[Tensor, ""]:
    """Cross-entropy of codes and what is predicted from scores, mean over rows, in float32.

    >>> round(float(predict_code(torch.zeros(3, 4), torch.full((3, 4), 0.25), 0.1)), 4)
    1.3863
    """
    return -(codes * (scores.float() / temperature).log_softmax(1)).sum(1).mean()
