"""The search of `tabu` as a kernel of numba: frame by frame, so that the field stays in the nearest cache. The same codes.

Numba (extra `fast`) is imported here and not before a search runs. What the compiler needs for vector instructions: N and K as
constants of a closure, a cast to int16 around every sum, and minima as `v if v < m else m`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Int, Int16, Int32
from torch import Tensor

from audiossl.tokens.gram_table import LIFT
from audiossl.tokens.tabu import draw_tenures

ENABLED = not numba.config.DISABLE_JIT  # pyright: ignore[reportAttributeAccessIssue]  # set when numba is imported
FEWEST = 16  # frames for which a thread is begun
SIGNATURE = "void(int16[:, ::1], int16[:, ::1], int32[::1], int64[:, ::1], int32[::1])"


def tabu_search(
    field: Int16[Tensor, "B M"], pairs: Int16[Tensor, "M M"], num_codebooks: int, steps: int
) -> tuple[Int[Tensor, "B N"], Int32[Tensor, "B"]]:
    """As `audiossl.tokens.tabu.tabu_search`, in as many threads as torch has."""
    codes = torch.empty(len(field), num_codebooks, dtype=torch.int64)
    energy = torch.empty(len(field), dtype=torch.int32)
    tenures = np.array(draw_tenures(num_codebooks, steps), np.int32)
    compiled = kernel(num_codebooks, field.shape[1] // num_codebooks)

    def search_part(part: slice) -> None:
        compiled(field.numpy()[part], pairs.numpy(), tenures, codes.numpy()[part], energy.numpy()[part])

    threads = min(torch.get_num_threads(), len(field) // FEWEST)
    if threads <= 1:
        search_part(slice(None))
        return codes, energy
    share = -(-len(field) // threads)
    with ThreadPoolExecutor(threads) as pool:  # of this call alone, so that a fork inherits none
        list(pool.map(search_part, (slice(first, first + share) for first in range(0, len(field), share))))
    return codes, energy


@lru_cache(maxsize=64)
def kernel(num_codebooks: int, codebook_size: int) -> Callable[..., None]:
    """The kernel for N codebooks of K entries, compiled; kept on disk where there is a folder for it."""
    search = inspect.unwrap(_search(num_codebooks, codebook_size, num_codebooks * codebook_size))  # of checks of types in tests
    try:
        return _compiled(search, cache=True)
    except (RuntimeError, OSError):  # no folder that can be written, or a full disk
        return _compiled(search, cache=False)


def _compiled(search: Callable[..., None], cache: bool) -> Callable[..., None]:
    return numba.njit(SIGNATURE, nogil=True, cache=cache)(search)


def _search(N: int, K: int, M: int) -> Callable[..., None]:
    lift = LIFT

    def search(field: Any, pairs: Any, tenures: Any, codes: Any, energies: Any) -> None:  # Any: arrays, to the compiler
        current = np.empty(N, np.int64)
        least_of = np.empty(N, np.int16)
        free_from = np.empty(N, np.int64)
        for b in range(field.shape[0]):
            costs = field[b]
            energy = np.int64(0)
            for n in range(N):
                own = costs[n * K : (n + 1) * K]
                low = own[0]
                for k in range(K):
                    v = own[k]
                    low = v if v < low else low
                k = 0
                while own[k] != low:
                    k += 1
                energy += np.int64(low)
                current[n] = n * K + k
                row = pairs[n * K + k]
                for i in range(M):
                    costs[i] = np.int16(costs[i] + row[i])
            for n in range(N):
                own = costs[n * K : (n + 1) * K]
                low = own[0]
                for k in range(K):
                    v = own[k]
                    low = v if v < low else low
                least_of[n] = low
                free_from[n] = 0
                codes[b, n] = current[n]
            least = energy
            for step in range(tenures.shape[0]):
                change, chosen = np.int64(1 << 40), 0
                for n in range(N):
                    d = np.int64(least_of[n]) - np.int64(costs[current[n]]) + lift
                    if d < change and (free_from[n] <= step or energy + d < least):
                        change, chosen = d, n
                own = costs[chosen * K : (chosen + 1) * K]
                low = least_of[chosen]
                k = 0
                while own[k] != low:
                    k += 1
                row = pairs[chosen * K + k]
                old = pairs[current[chosen]]
                for n in range(N):
                    own = costs[n * K : (n + 1) * K]
                    plus = row[n * K : (n + 1) * K]
                    minus = old[n * K : (n + 1) * K]
                    low = np.int16(32767)
                    for i in range(K):
                        v = np.int16(own[i] + np.int16(plus[i] - minus[i]))
                        own[i] = v
                        low = v if v < low else low
                    least_of[n] = low
                current[chosen] = chosen * K + k
                free_from[chosen] = step + 1 + tenures[step]
                energy += change
                if energy < least:
                    least = energy
                    for n in range(N):
                        codes[b, n] = current[n]
            energies[b] = least

    return search
