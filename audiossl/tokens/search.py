"""Search for the codes whose centres sum to a frame, by inner products only: tabu search from a greedy start."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator
from audiossl.tokens.gram_table import GramTable
from audiossl.tokens.tabu import tabu_search

BLOCK = 512  # frames whose costs are computed together; fixed, and the last block is padded, so that chunking changes no code
GPU_BLOCK = 8192  # frames that are searched together where starting a kernel costs more than running it
STEPS = {"fast": 1, "default": 14, "best": 40}  # changes of a code, for each codebook

_log = logging.getLogger(__name__)
Search = Callable[[Tensor, Tensor, int, Sequence[int]], Tensor]


def steps_of(quality: str, num_codebooks: int, passes: int | None = None) -> int:
    """Find the number of steps of a named quality; `passes`, where it is given, is that number.

    Raises:
        ConfigError: for an unknown name or a negative number.

    >>> steps_of("default", 8), steps_of("best", 8), steps_of("fast", 8, passes=0)
    (112, 320, 0)
    """
    if passes is not None and passes < 0:
        raise ConfigError(f"passes must be 0 or more, not {passes}")
    if quality not in STEPS:
        raise ConfigError(f"quality must be fast, default, best or exact, not {quality!r}")
    return STEPS[quality] * num_codebooks if passes is None else passes


def search(table: GramTable, frames: Float[Tensor, "B D"], steps: int, count: int | None = None) -> Int[Tensor, "B2 N"]:
    """Find global codes of frames, or of the first `count`.

    Codebooks are first chosen one after the other, each for what the former ones leave; then `steps` codes are changed, one at a
    time, and the best codes met are kept. Costs are whole numbers, so that numba's search, torch's and a GPU's give the same
    codes of the same costs.

    Args:
        table: products of the centres.
        frames: a block of frames, of one size for all blocks: products of matrices of another size add in another order.
        steps: changes of a code.
        count: number of frames that are wanted.
    """
    if table.num_codebooks == 1:
        return table.nearest(frames)[:count, 0].argmin(1, keepdim=True)
    run = compiled_search() if frames.device.type == "cpu" else tabu_search
    return run(table.pairs, table.unary(frames)[:count], table.num_codebooks, tenures(table.num_codebooks, steps))


def tenures(num_codebooks: int, steps: int) -> list[int]:
    """Draw the tenure of each step, evenly from 1 to 5 or a third of the codebooks; fewer steps have the first of more.

    Short ones alone make a search go round in circles; with fewer than six codebooks one of them is always free.
    """
    most = min(num_codebooks - 1, max(5, num_codebooks // 3))
    return torch.randint(1, most + 1, (steps,), generator=derive_generator("tenures", num_codebooks)).tolist()


@cache
def compiled_search() -> Search:
    """The search of this machine: numba's where it can be imported (extra `fast`), else torch's, which gives the same codes."""
    if importlib.util.find_spec("numba") is None:
        return tabu_search
    try:
        from audiossl.tokens import tabu_numba
    except Exception as error:  # whatever a numba raises that does not fit the installed numpy or Python
        _log.warning(
            "numba cannot be used (%s: %s); the search of tokens runs in torch, which takes longer", type(error).__name__, error
        )
        return tabu_search
    return tabu_numba.tabu_search
