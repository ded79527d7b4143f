"""Tabu search over a running field, in torch: many frames at once.

The field of a frame holds the cost of every entry while all other codes stay. A step changes the code whose change costs least,
also where that raises the error, but none that was changed just before (Glover, "Tabu search", 1989), and adds the difference of
two rows of the table to the field. The best codes met are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int, Int16
from torch import Tensor

from audiossl.tokens.gram_table import LIFT

NEVER = -(2**30)
NO_MOVE = 2**30


def tabu_search(
    pairs: Int16[Tensor, "M M"], unary: Int16[Tensor, "B M"], num_codebooks: int, tenures: Sequence[int]
) -> Int[Tensor, "B N"]:
    """Find global codes, each frame by itself.

    Args:
        pairs: interactions, as `GramTable.pairs`.
        unary: costs of entries alone, as `GramTable.unary`.
        num_codebooks: N, at least 2.
        tenures: for each step the number of steps after a change in which a code may not be changed again, unless that leads
            below the least error so far; below N.

    Returns:
        Codes of the least error met; of several codes or entries that cost the same the first is taken.
    """
    B, M = unary.shape
    N, K = num_codebooks, M // num_codebooks
    field = unary.clone()
    by_codebook = field.view(B, N, K)
    codes = torch.empty(B, N, dtype=torch.int64, device=unary.device)
    energy = torch.zeros(B, dtype=torch.int32, device=unary.device)
    rows = torch.empty_like(field)
    for n in range(N):  # each for what the former ones leave
        least, entry = by_codebook[:, n].min(1)
        energy += least
        codes[:, n] = entry + n * K
        field += torch.index_select(pairs, 0, codes[:, n], out=rows)
    best, best_energy = codes.clone(), energy.clone()
    lift = torch.full((B, N), LIFT, dtype=torch.int16, device=unary.device)
    field.scatter_add_(1, codes, lift)  # so that a minimum leaves out the code itself
    changed = torch.full((B, N), NEVER, dtype=torch.int32, device=unary.device)
    frames = torch.arange(B, device=unary.device)
    for step, tenure in enumerate(tenures):
        cost = by_codebook.amin(2).int() - (field.gather(1, codes).int() - LIFT)
        allowed = (changed < step - tenure) | (energy[:, None] + cost < best_energy[:, None])
        cost = cost.masked_fill_(~allowed | (cost >= LIFT), NO_MOVE)
        change, chosen = cost.min(1)
        old = codes[frames, chosen]
        new = by_codebook[frames, chosen].argmin(1) + chosen * K
        moves = change < NO_MOVE
        new = torch.where(moves, new, old)
        field += torch.index_select(pairs, 0, new, out=rows)
        field -= torch.index_select(pairs, 0, old, out=rows)
        field.scatter_add_(1, new[:, None], lift[:, :1])
        field.scatter_add_(1, old[:, None], -lift[:, :1])
        codes[frames, chosen] = new
        changed[frames, chosen] = torch.where(moves, step, changed[frames, chosen])
        energy += torch.where(moves, change, 0)
        better = energy < best_energy
        best = torch.where(better[:, None], codes, best)
        best_energy = torch.where(better, energy, best_energy)
    return best
