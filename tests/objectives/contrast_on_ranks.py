"""Gradients of objectives whose embeddings are gathered, of a batch that is shared by as many processes as there are."""

from __future__ import annotations

import torch
from gradients_on_ranks import COUNT, Gradients, mean_gradients, own_rows, rank, write_gradients
from window_examples import fed, reorder, small_resnet, windows

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


def gradients(name: str) -> Gradients:
    """Those of the second of two batches."""
    objective = fed(make_window_objective(name, small_resnet(), OPTIONS[name]))
    objective.train()
    objective.encoder.eval()
    rows = own_rows()
    for seed in (0, 1):
        whole = windows(COUNT, seed=seed, lengths=[64, 50, 64, 20, 64, 64, 2, 64])
        objective.zero_grad()
        objective(reorder(whole, list(range(rows.start, rows.stop)))).total.backward()
    if rank() == 0:  # no other rank takes part: without gradients nothing is gathered
        with torch.no_grad():
            objective(reorder(whole, [0, 1]))
    return mean_gradients(objective)


if __name__ == "__main__":
    write_gradients(gradients, OPTIONS)
