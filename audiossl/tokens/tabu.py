"""Tabu search for codes over a running field, in plain torch.

The field of a frame holds the cost of every entry of every codebook while the other codes stay. A step takes the cheapest change
of one code, also where the cost rises, but of no codebook that was changed in the last few steps, unless that leads below the
least cost met (Glover, "Tabu search", ORSA J. Computing 1989). Then it adds the difference of two rows of the table to the field.
The best codes met are the result. All sums are of integers, so `tabu_numba` finds the same codes.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Int, Int16, Int32
from torch import Tensor

from audiossl.seeds import derive_generator
from audiossl.tokens.gram_table import LIFT

FORBIDDEN = 2**30  # rank of a change that is not allowed


@lru_cache(maxsize=64)
def draw_tenures(num_codebooks: int, steps: int) -> tuple[int, ...]:
    """How many steps a codebook is left alone once it was changed, for each step; the same for every frame.

    Below the number of codebooks, so that one of them can always be changed. Where up to five steps are left, a search of few
    codebooks goes round in circles less: of 8 on frames of hama the error after 14 changes each is 0.3 % lower than with up to 3.
    """
    longest = min(max(5, -(-num_codebooks // 3)), num_codebooks - 1)
    generator = derive_generator("tabu tenures", num_codebooks)
    return tuple(torch.randint(1, longest + 1, (steps,), generator=generator).tolist())


def tabu_search(
    field: Int16[Tensor, "B M"], pairs: Int16[Tensor, "M M"], num_codebooks: int, steps: int
) -> tuple[Int[Tensor, "B N"], Int32[Tensor, "B"]]:
    """Find global codes, and their cost in units above that of the cheapest entries alone.

    Args:
        field: cost of every entry alone, as `GramTable.integer_unary` gives it; overwritten.
        pairs: table of `GramTable`, for two codebooks or more.
        num_codebooks: N.
        steps: changes of a code per frame, after a greedy start.
    """
    B, M = field.shape
    N, K = num_codebooks, M // num_codebooks
    device = field.device
    blocks, flat = field.view(B, N, K), field.view(B * N, K)
    first_row = torch.arange(B, device=device) * N
    entries = torch.arange(K, dtype=torch.int32, device=device)
    books = torch.arange(N, dtype=torch.int32, device=device)
    row, other_row = torch.empty_like(field), torch.empty_like(field)

    codes = torch.empty(B, N, dtype=torch.int64, device=device)
    energy = torch.zeros(B, dtype=torch.int32, device=device)
    for n in range(N):
        codes[:, n] = _least(blocks[:, n], entries) + n * K
        energy += field.gather(1, codes[:, n : n + 1])[:, 0]
        field.add_(torch.index_select(pairs, 0, codes[:, n], out=row))

    best, least = codes.clone(), energy.clone()
    free_from = torch.zeros(B, N, dtype=torch.int32, device=device)  # the step at which a codebook may be changed again
    for step, tenure in enumerate(draw_tenures(N, steps)):
        change = blocks.amin(2).int() - (field.gather(1, codes).int() - LIFT)
        allowed = (free_from <= step) | (energy[:, None] + change < least[:, None])
        # The codebook of the cheapest change, the first of equals.
        n = _least(change.masked_fill(~allowed, FORBIDDEN // N), books)
        k = _least(flat.index_select(0, first_row + n), entries)
        chosen = n[:, None]
        old = codes.gather(1, chosen)[:, 0]
        new = n * K + k
        field.add_(torch.index_select(pairs, 0, new, out=row).sub_(torch.index_select(pairs, 0, old, out=other_row)))
        codes.scatter_(1, chosen, new[:, None])
        free_from.scatter_(1, chosen, step + 1 + tenure)
        energy += change.gather(1, chosen)[:, 0]
        better = energy < least
        best = torch.where(better[:, None], codes, best)
        least = torch.where(better, energy, least)
    return best, least


def _least(values: Int[Tensor, "B L"], index: Int32[Tensor, "L"]) -> Int[Tensor, "B"]:
    """Where the least of each row is, the first of equals; `argmin` may name any of them, and is slow on a CPU."""
    return values.int().mul(len(index)).add_(index).amin(1).remainder_(len(index)).long()
