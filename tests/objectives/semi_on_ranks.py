"""Gradients of methods for few labels, of a batch that is shared by as many processes as there are."""

from __future__ import annotations

import torch
from gradients_on_ranks import COUNT, Gradients, mean_gradients, own_rows, write_gradients
from semi_examples import K, make

from audiossl.objectives.semi_batch import SemiBatch, Views
from audiossl.objectives.window_batch import WindowBatch

# Others pair, or average over, what is in the batch of a rank.
NAMES = ("supervised", "pseudo_label", "mean_teacher", "fixmatch", "softmatch", "simmatch", "multiaugs")
OPTIONS = {"fixmatch": {"threshold": 0.4}, "pseudo_label": {"threshold": 0.4}, "simmatch": {"threshold": 0.4}}


def share(seed: int) -> SemiBatch:
    """This rank's rows of a batch of labelled and as many unlabelled windows."""
    rows, generator = own_rows(), torch.Generator().manual_seed(seed)

    def views() -> Views:
        weak, first, second = (WindowBatch.of(torch.randn(COUNT, 5, 1, generator=generator)[rows]) for _ in range(3))
        return Views(weak, [first, second], [0, 0])

    y = (torch.arange(COUNT) % K)[rows, None]
    return SemiBatch(views(), y, views(), torch.full_like(y, -1))


def gradients(name: str) -> Gradients:
    """Those of the second of two batches."""
    objective = make(name, **OPTIONS.get(name, {})).train()
    for seed in (0, 1):
        objective.zero_grad()
        objective(share(seed)).total.backward()
    return mean_gradients(objective)


if __name__ == "__main__":
    write_gradients(gradients, NAMES)
