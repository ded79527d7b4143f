"""Gradients of methods for few labels, of a batch that is shared by as many processes as there are."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from semi_examples import K, make
from torch import distributed

from audiossl.objectives.contrast import world_size
from audiossl.objectives.semi_batch import SemiBatch, Views
from audiossl.objectives.window_batch import WindowBatch

# Others pair, or average over, what is in the batch of a rank.
NAMES = ("supervised", "pseudo_label", "mean_teacher", "fixmatch", "softmatch", "simmatch", "multiaugs")
OPTIONS = {"fixmatch": {"threshold": 0.4}, "pseudo_label": {"threshold": 0.4}, "simmatch": {"threshold": 0.4}}


def share(seed: int) -> SemiBatch:
    """This rank's rows of a batch of eight labelled and eight unlabelled windows."""
    rank, size = (distributed.get_rank() if world_size() > 1 else 0), 8 // world_size()
    rows = slice(rank * size, (rank + 1) * size)
    generator = torch.Generator().manual_seed(seed)

    def views() -> Views:
        weak, first, second = (WindowBatch.of(torch.randn(8, 5, 1, generator=generator)[rows]) for _ in range(3))
        return Views(weak, [first, second], [0, 0])

    y = (torch.arange(8) % K)[rows, None]
    return SemiBatch(views(), y, views(), torch.full_like(y, -1))


def gradients(name: str) -> dict[str, torch.Tensor]:
    """Gradient of the mean loss, from sums as the training loop does it, on the second of two batches."""
    objective = make(name, **OPTIONS.get(name, {})).train()
    for seed in (0, 1):
        objective.zero_grad()
        objective(share(seed)).total.backward()
    found = {}
    for key, parameter in objective.named_parameters():
        if parameter.grad is not None:
            found[key] = parameter.grad.clone()
            if world_size() > 1:
                distributed.all_reduce(found[key])
            found[key] /= 8  # the weight of all ranks
    return found


if __name__ == "__main__":
    torch.manual_seed(0)
    if torch.distributed.is_torchelastic_launched():
        distributed.init_process_group("gloo")
    results = {name: gradients(name) for name in NAMES}
    if world_size() == 1 or distributed.get_rank() == 0:
        torch.save(results, Path(sys.argv[1]) / f"{world_size()}.pt")
    if world_size() > 1:
        distributed.destroy_process_group()
