"""Gradients of objectives whose embeddings are gathered, of a batch that is shared by as many processes as there are."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed
from window_examples import fed, reorder, small_resnet, windows

from audiossl.objectives.contrast import world_size
from audiossl.objectives.kinds import make_window_objective

# Norms over the batch are those of a rank, so they are left out: with them the gradients may differ.
OPTIONS = {
    "simclr": {},
    "dclw": {},
    "micle": {},
    "alice": {"width": 16, "head": [16], "prototypes": 32},
    "pgl": {"batch_norm": False},
    "vicreg": {"projector": [32], "batch_norm": False},
    "barlow_twins": {"projector": [32], "batch_norm": False},
    "nnclr": {"queue": 8, "batch_norm": False},
    "ts_tcc": {"batch_norm": False},
    "gmml": {},
    "pcrl": {"queue": 8},
    "cast": {"queue": 8},
    "clusters": {"width": 16, "layers": 1, "freeze_steps": 0},
}


def gradients(name: str) -> dict[str, torch.Tensor]:
    """Gradient of the mean loss, from sums as the training loop does it, on the second of two batches."""
    objective = fed(make_window_objective(name, small_resnet(), OPTIONS[name]))
    objective.train()
    objective.encoder.eval()
    rank = distributed.get_rank() if world_size() > 1 else 0
    for seed in (0, 1):
        whole = windows(8, seed=seed, lengths=[64, 50, 64, 20, 64, 64, 2, 64])
        share = 8 // world_size()
        batch = replace(reorder(whole, list(range(rank * share, (rank + 1) * share))))
        objective.zero_grad()
        loss = objective(batch)
        loss.total.backward()
    if rank == 0:  # no other rank takes part: without gradients nothing is gathered
        with torch.no_grad():
            objective(reorder(whole, [0, 1]))
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
    results = {name: gradients(name) for name in OPTIONS}
    if world_size() == 1 or distributed.get_rank() == 0:
        torch.save(results, Path(sys.argv[1]) / f"{world_size()}.pt")
    if world_size() > 1:
        distributed.destroy_process_group()
