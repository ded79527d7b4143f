"""The tabu search of `audiossl.tokens.tabu` compiled by numba, frame by frame: the same codes, several times as fast.

One frame's field and the rows that it needs stay in the nearest caches, where torch goes through hundreds of frames in turn. N
and K are constants of the compiled code, and sums are cast to 16 bits at once, or the compiler does not vectorise the loops.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache

import numba
import numpy as np
import torch
from jaxtyping import Int, Int16
from torch import Tensor

from audiossl.tokens.gram_table import LIFT
from audiossl.tokens.tabu import NEVER, NO_MOVE


def tabu_search(
    pairs: Int16[Tensor, "M M"], unary: Int16[Tensor, "B M"], num_codebooks: int, tenures: Sequence[int]
) -> Int[Tensor, "B N"]:
    """Find global codes as `audiossl.tokens.tabu.tabu_search` does; both tables on the CPU."""
    codes = np.empty((len(unary), num_codebooks), np.int64)
    search = _compiled(num_codebooks, unary.shape[1] // num_codebooks)
    search(pairs.numpy(), unary.numpy(), np.array(tenures, np.int64), codes)
    return torch.from_numpy(codes)


@cache
def _compiled(N: int, K: int) -> Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]:
    M = N * K

    def search(pairs, unary, tenures, found):  # noqa: ANN001, ANN202  # compiled
        field = np.empty(M, np.int16)
        minima = np.empty(N, np.int16)
        codes = np.empty(N, np.int64)
        changed = np.empty(N, np.int64)
        for frame in range(len(unary)):
            field[:] = unary[frame]
            energy = 0
            for n in range(N):
                least = field[n * K]
                for k in range(n * K, (n + 1) * K):
                    least = field[k] if field[k] < least else least
                entry = n * K
                while field[entry] != least:
                    entry += 1
                energy += least
                codes[n] = entry
                row = pairs[entry]
                for i in range(M):
                    field[i] = np.int16(field[i] + row[i])
            best = energy
            found[frame] = codes
            for n in range(N):
                field[codes[n]] = np.int16(field[codes[n]] + LIFT)
                changed[n] = NEVER
            for n in range(N):
                least = field[n * K]
                for k in range(n * K, (n + 1) * K):
                    least = field[k] if field[k] < least else least
                minima[n] = least
            for step in range(len(tenures)):
                change = NO_MOVE
                chosen = 0
                for n in range(N):
                    cost = np.int64(minima[n]) - (np.int64(field[codes[n]]) - LIFT)
                    is_free = changed[n] < step - tenures[step] or energy + cost < best
                    if is_free and cost < LIFT and cost < change:
                        change = cost
                        chosen = n
                if change == NO_MOVE:
                    continue
                old = codes[chosen]
                new = chosen * K
                while field[new] != minima[chosen]:
                    new += 1
                field[new] = np.int16(field[new] + LIFT)
                field[old] = np.int16(field[old] - LIFT)
                added = pairs[new]
                taken = pairs[old]
                for n in range(N):
                    least = np.int16(32767)
                    for i in range(n * K, (n + 1) * K):
                        value = np.int16(np.int16(field[i] + added[i]) - taken[i])
                        field[i] = value
                        least = value if value < least else least
                    minima[n] = least
                codes[chosen] = new
                changed[chosen] = step
                energy += change
                if energy < best:
                    best = energy
                    found[frame] = codes

    plain = inspect.unwrap(search)  # without the type checks of the tests, which numba cannot compile
    try:
        return numba.njit(nogil=True, cache=True)(plain)
    except RuntimeError:  # there is no folder to keep it in
        return numba.njit(nogil=True)(plain)
