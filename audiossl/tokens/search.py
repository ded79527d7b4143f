"""Search for the codes whose centres sum to a frame, by inner products only.

With x the frame and c_n the chosen centres,

    |x - sum c_n|^2 = |x|^2 + sum_n (|c_n|^2 - 2 x.c_n) + sum_{n<m} 2 c_n.c_m

The first sum needs one matrix product per frame, the second one table of all centres against each other, computed once: after
that no step of the search knows the width of a frame. Local search over such a table is known from additive quantisation
(iterated conditional modes; Martinez et al., "LSQ", ECCV 2016). A local optimum is left by forcing the second best code, then
descending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.seeds import derive_generator
from audiossl.tokens.offsets import common_offset

BLOCK = 512  # frames searched together; fixed, and the last block is padded, so that chunking never changes a code
LARGEST_TABLE = 4 * 2**30  # bytes
TOLERANCE = 0.05  # share by which the error may rise after the first kick; falls evenly to 0 at the last
LARGE = 1e38  # stands for infinity, whose bits must not be changed


@dataclass(frozen=True)
class GramTable:
    """Inner products of all centres.

    Codes are global here: entry k of codebook n is n * K + k. The mean of each codebook is taken out, and their sum is taken out
    of frames: that changes no distance, while costs among large means would be too coarse to distinguish entries.

    Attributes:
        centers: all centres less the offset and the mean of their codebook, (N * K, D).
        offset: sum of the codebooks' common offsets, (D,), which can be taken out of frames without rounding.
        mean: sum of the means that are left, (D,).
        squares: their squared norms, (N * K,).
        pairs: tables, for each codebook n one (N * K, K) of 2 c_j . c_{n,k}; zero where j belongs to n itself, so that the row
            sum over all N codes of a frame is the interaction of entry k with the *other* codebooks.
    """

    centers: Float[Tensor, "M D"]
    offset: Float[Tensor, "D"]
    mean: Float[Tensor, "D"]
    squares: Float[Tensor, "M"]
    pairs: tuple[Float[Tensor, "M K"], ...]
    num_codebooks: int
    codebook_size: int

    @classmethod
    def build(cls, centers: Float[Tensor, "N K D"]) -> GramTable:
        """Compute the table; 4 * (N * K)^2 bytes.

        Raises:
            ConfigError: if it would not fit in 4 GiB.
        """
        N, K, _ = centers.shape
        size = 4 * (N * K) ** 2
        if N > 1 and size > LARGEST_TABLE:
            raise ConfigError(
                f"{N} codebooks of {K} need a table of {size / 2**30:.0f} GiB, the limit is {LARGEST_TABLE / 2**30:.0f}; "
                "choose fewer codebooks or a smaller codebook_size"
            )
        offsets = common_offset(centers)
        centers = centers - offsets[:, None]
        means = centers.mean(1, keepdim=True)
        flat = (centers - means).reshape(N * K, -1)
        pairs = []
        for n in range(N if N > 1 else 0):
            own = slice(n * K, (n + 1) * K)
            table = 2 * (flat @ flat[own].T)
            table[own] = 0
            pairs.append(table)
        return cls(flat, offsets.sum(0), means.sum((0, 1)), flat.square().sum(1), tuple(pairs), N, K)

    def centred(self, frames: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Take out of frames what was taken out of the centres."""
        return frames - self.offset - self.mean

    def unary(self, centred: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B K"], ...]:
        """Cost of every entry alone, |c|^2 - 2 x.c, one (B, K) block per codebook; `centred` as from `centred`."""
        costs = torch.addmm(self.squares, centred, self.centers.T, alpha=-2)
        return tuple(block.contiguous() for block in costs.view(-1, self.num_codebooks, self.codebook_size).unbind(1))

    def squared_error(self, centred: Float[Tensor, "B D"], codes: Int[Tensor, "B N"]) -> Float[Tensor, "B"]:
        """|x - decode(codes)|^2 of each frame; `centred` as from `centred`."""
        return (centred - F.embedding_bag(codes, self.centers, mode="sum")).square().sum(1)


@dataclass(frozen=True)
class Effort:
    """How hard to search.

    Attributes:
        sweeps: descents over all codebooks before the first kick.
        rounds: kicks, each followed by `settle` sweeps; the best codes met are kept.
        kicked: codebooks forced off their best entry in one kick.
        settle: sweeps after a kick.
    """

    sweeps: int
    rounds: int = 0
    kicked: int = 2
    settle: int = 2


def effort_of(quality: str, num_codebooks: int, passes: int | None = None) -> Effort:
    """Named search efforts; `passes` replaces the sweeps of `fast` and the rounds of `default` and `best`.

    Raises:
        ConfigError: for an unknown name or a negative number of passes.
    """
    if passes is not None and passes < 0:
        raise ConfigError(f"passes must be 0 or more, not {passes}")
    match quality:
        case "fast":
            return Effort(sweeps=3 if passes is None else passes)
        case "default":
            return Effort(sweeps=2, rounds=5 * num_codebooks if passes is None else passes)
        case "best":
            return Effort(sweeps=2, rounds=24 * num_codebooks if passes is None else passes)
    raise ConfigError(f"quality must be fast, default, best or exact, not {quality!r}")


def search(
    table: GramTable, frames: Float[Tensor, "B D"], start: Int[Tensor, "B N"] | None, effort: Effort
) -> Int[Tensor, "B N"]:
    """Find global codes of one block; the error of no frame is above its start.

    Where the start is None, codebooks are first chosen one after the other, each for what the former ones leave.
    """
    centred = table.centred(frames)
    unary = table.unary(centred)
    if table.num_codebooks == 1:
        return unary[0].argmin(1, keepdim=True)
    if start is None:
        start = _greedy_start(table, unary)
    codes = start.clone()
    for _ in range(effort.sweeps):
        _descend(table, unary, codes, range(table.num_codebooks))
    if effort.rounds:
        codes = _kick_and_descend(table, unary, centred, codes, effort)
    # Rounding in the table could let a code through that is worse: compare in the space of frames.
    improved = table.squared_error(centred, codes) <= table.squared_error(centred, start)
    return torch.where(improved[:, None], codes, start)


def smallest(costs: Float[Tensor, "B K"]) -> Int[Tensor, "B"]:
    """Index of the smallest cost of each row, several times as fast as `argmin` on a CPU.

    Up to 256 columns the index replaces the 8 lowest of the 24 bits of a cost, so that a plain minimum brings it along. Costs
    that differ by less than 2^-15 of their size are then taken for equal.
    """
    if costs.shape[1] > 256:
        return costs.argmin(1)
    index = torch.arange(costs.shape[1], dtype=torch.int32, device=costs.device)
    packed = costs.view(torch.int32).bitwise_and(~255).bitwise_or_(index)
    return packed.view(torch.float32).amin(1).view(torch.int32).bitwise_and_(255)


def _greedy_start(table: GramTable, unary: Sequence[Float[Tensor, "B K"]]) -> Int[Tensor, "B N"]:
    """Choose codebook after codebook, each for what the former ones leave."""
    codes = torch.empty(len(unary[0]), table.num_codebooks, dtype=torch.int64, device=unary[0].device)
    for n, cost in enumerate(unary):
        if n:
            cost = F.embedding_bag(codes[:, :n], table.pairs[n], mode="sum").add_(cost)
        codes[:, n] = smallest(cost) + n * table.codebook_size
    return codes


def _costs(table: GramTable, unary: Sequence[Float[Tensor, "B K"]], codes: Int[Tensor, "B N"], n: int) -> Float[Tensor, "B K"]:
    """Cost of every entry of codebook n while the other codes stay."""
    return F.embedding_bag(codes, table.pairs[n], mode="sum").add_(unary[n])


def _descend(table: GramTable, unary: Sequence[Float[Tensor, "B K"]], codes: Int[Tensor, "B N"], order: Sequence[int]) -> None:
    """Set each codebook in turn to its best entry while the others stay; in place."""
    for n in order:
        codes[:, n] = smallest(_costs(table, unary, codes, n)) + n * table.codebook_size


def _kick_and_descend(
    table: GramTable,
    unary: Sequence[Float[Tensor, "B K"]],
    centred: Float[Tensor, "B D"],
    codes: Int[Tensor, "B N"],
    effort: Effort,
) -> Int[Tensor, "B N"]:
    """Iterated local search: force some codebooks to their second best entry, then settle the others before them.

    The search continues from codes that are a little worse than the best, ever less so towards the end: it moves on from a local
    optimum that every kick falls back to. The best codes met are returned.
    """
    best, least = codes, table.squared_error(centred, codes)
    for i, (kicked, order) in enumerate(_kick_orders(table.num_codebooks, effort)):
        trial = codes.clone()
        for n in kicked:
            costs = _costs(table, unary, trial, n)
            costs.scatter_(1, trial[:, n : n + 1] - n * table.codebook_size, LARGE)
            trial[:, n] = smallest(costs) + n * table.codebook_size
        for sweep in range(effort.settle):
            _descend(table, unary, trial, order if sweep == 0 else range(table.num_codebooks))
        error = table.squared_error(centred, trial)
        near = error < least * (1 + TOLERANCE * (1 - (i + 1) / effort.rounds))
        codes = torch.where(near[:, None], trial, codes)
        better = error < least
        best = torch.where(better[:, None], trial, best)
        least = torch.where(better, error, least)
    return best


def _kick_orders(num_codebooks: int, effort: Effort) -> list[tuple[list[int], list[int]]]:
    """Which codebooks each round kicks, and the order of its first sweep; the same for every frame, all equally often."""
    generator = derive_generator("kick orders", num_codebooks)
    kicked_count = min(effort.kicked, num_codebooks - 1)
    queue: list[int] = []
    rounds = []
    for _ in range(effort.rounds):
        kicked: list[int] = []
        while len(kicked) < kicked_count:
            if not set(queue) - set(kicked):
                queue += torch.randperm(num_codebooks, generator=generator).tolist()
            kicked.append(queue.pop(next(i for i, n in enumerate(queue) if n not in kicked)))
        others = [n for n in torch.randperm(num_codebooks, generator=generator).tolist() if n not in kicked]
        rounds.append((kicked, others + kicked))
    return rounds
