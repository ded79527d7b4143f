"""Search for the codes whose centres sum to a frame: tabu search over integers, by numba where it works and by torch elsewhere.

Which of the two runs is not part of any result: their codes are the same.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int, Int16
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.tokens import tabu
from audiossl.tokens.gram_table import BLOCK, CUT, GramTable

log = logging.getLogger(__name__)
SEARCH = "tabu-2"  # name and version, for token stores and fingerprints: another whenever codes change
STEPS = {"fast": 1, "default": 11, "best": 36}  # for each codebook
LARGE_BLOCK = 8192  # frames searched together on other devices than CPUs, where a launch costs more than its work
Search = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]


def steps_of(quality: str, num_codebooks: int, passes: int | None = None) -> int:
    """Changes of a code per frame of a named search; `passes` replaces the number.

    Raises:
        ConfigError: for an unknown name or a negative number of passes.

    >>> steps_of("fast", 8), steps_of("default", 8), steps_of("best", 8, passes=400)
    (8, 88, 400)
    """
    if passes is not None and passes < 0:
        raise ConfigError(f"passes must be 0 or more, not {passes}")
    if quality not in STEPS:
        raise ConfigError(f"quality must be fast, default, best or exact, not {quality!r}")
    return STEPS[quality] * num_codebooks if passes is None else passes


def frames_at_once(device: torch.device) -> int:
    """Frames that are best searched together; their codes do not depend on it."""
    return BLOCK if device.type == "cpu" else LARGE_BLOCK


def search(table: GramTable, frames: Float[Tensor, "B D"], steps: int) -> Int[Tensor, "B N"]:
    """Find global codes of one block of frames; the error of none is above that of a greedy start."""
    unary = table.unary(table.centred(frames))
    if table.num_codebooks == 1:
        return unary[:, 0].argmin(1, keepdim=True)
    return search_field(table, table.integer_unary(unary), steps, _search_on(unary.device.type))


def search_field(table: GramTable, field: Int16[Tensor, "B M"], steps: int, find: Search) -> Int[Tensor, "B N"]:
    """Search by one of the two; `field` as `GramTable.integer_unary` gives it, overwritten."""
    alone = field.clone()
    codes, _ = find(field, table.pairs, table.num_codebooks, steps)
    # An entry whose cost was cut seems cheaper than it is. The cheapest one alone is always better.
    cut = alone.gather(1, codes) >= CUT
    if bool(cut.any()):
        cheapest = alone.view(len(alone), table.num_codebooks, -1).argmin(2)
        codes = torch.where(cut, cheapest + torch.arange(table.num_codebooks, device=codes.device) * table.codebook_size, codes)
    return codes


def _search_on(device: str) -> Search:
    return _numba_search() if device == "cpu" else tabu.tabu_search


_broken: list[str] = []  # why numba is not used in this process


@contextmanager
def without_numba() -> Iterator[None]:
    """Search by torch inside the block, as where numba is missing; for tests and measurements."""
    _broken.append("not wanted")
    try:
        yield
    finally:
        _broken.remove("not wanted")


def _numba_search() -> Search:
    """By numba; by torch where numba is missing or switched off, and with one logged line where it is broken."""
    if _broken or importlib.util.find_spec("numba") is None:
        return tabu.tabu_search
    try:
        from audiossl.tokens import tabu_numba
    except Exception as error:  # whatever a broken installation raises
        _give_up(error)
        return tabu.tabu_search
    return _by_numba if tabu_numba.ENABLED else tabu.tabu_search


def _by_numba(field: Tensor, pairs: Tensor, num_codebooks: int, steps: int) -> tuple[Tensor, Tensor]:
    from audiossl.tokens import tabu_numba

    try:
        tabu_numba.kernel(num_codebooks, field.shape[1] // num_codebooks)
    except Exception as error:  # whatever a broken compiler raises
        _give_up(error)
        return tabu.tabu_search(field, pairs, num_codebooks, steps)
    return tabu_numba.tabu_search(field, pairs, num_codebooks, steps)


def _give_up(error: Exception) -> None:
    if not _broken:
        log.warning("numba is installed but does not work (%r): codes are searched by torch, the same codes, slower", error)
    _broken.append(repr(error))
