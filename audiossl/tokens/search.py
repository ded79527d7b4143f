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

BLOCK = 256  # frames searched together; fixed, and the last block is padded, so that chunking never changes a code
LARGEST_TABLE = 4 * 2**30  # bytes


@dataclass(frozen=True)
class GramTable:
    """Inner products of all centres.

    Codes are global here: entry k of codebook n is n * K + k.

    Attributes:
        centers: all centres, (N * K, D).
        squares: their squared norms, (N * K,).
        pairs: for each codebook n a table (N * K, K) of 2 c_j . c_{n,k}; zero where j belongs to n itself, so that the row sum
            over all N codes of a frame is the interaction of entry k with the *other* codebooks.
    """

    centers: Float[Tensor, "M D"]
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
        flat = centers.reshape(N * K, -1)
        pairs = []
        for n in range(N if N > 1 else 0):
            own = slice(n * K, (n + 1) * K)
            table = 2 * (flat @ flat[own].T)
            table[own] = 0
            pairs.append(table)
        return cls(flat, flat.square().sum(1), tuple(pairs), N, K)

    def unary(self, frames: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B K"], ...]:
        """Cost of every entry alone, |c|^2 - 2 x.c, one (B, K) block per codebook."""
        costs = torch.addmm(self.squares, frames, self.centers.T, alpha=-2)
        return tuple(costs[:, n * self.codebook_size : (n + 1) * self.codebook_size] for n in range(self.num_codebooks))

    def decode(self, codes: Int[Tensor, "B N"]) -> Float[Tensor, "B D"]:
        """Sum of the centres of global codes."""
        return F.embedding_bag(codes, self.centers, mode="sum")

    def squared_error(self, frames: Float[Tensor, "B D"], codes: Int[Tensor, "B N"]) -> Float[Tensor, "B"]:
        """|x - decode(codes)|^2 of each frame."""
        return (frames - self.decode(codes)).square().sum(1)


@dataclass(frozen=True)
class Effort:
    """How hard to search.

    Attributes:
        sweeps: descents over all codebooks before the first kick.
        rounds: kicks, each followed by `settle` sweeps; the better of old and new is kept.
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
            return Effort(sweeps=2, rounds=3 * num_codebooks // 2 if passes is None else passes)
        case "best":
            return Effort(sweeps=2, rounds=8 * num_codebooks if passes is None else passes)
    raise ConfigError(f"quality must be fast, default, best or exact, not {quality!r}")


def search(table: GramTable, frames: Float[Tensor, "B D"], start: Int[Tensor, "B N"], effort: Effort) -> Int[Tensor, "B N"]:
    """Improve global codes of one block; the error of no frame is above its start."""
    if table.num_codebooks == 1:
        return table.unary(frames)[0].argmin(1, keepdim=True)
    unary = table.unary(frames)
    codes = start.clone()
    for _ in range(effort.sweeps):
        _descend(table, unary, codes, range(table.num_codebooks))
    if effort.rounds:
        codes = _kick_and_descend(table, unary, frames, codes, effort)
    # Rounding in the table could let a code through that is worse by an ulp: compare in the space of frames.
    improved = table.squared_error(frames, codes) <= table.squared_error(frames, start)
    return torch.where(improved[:, None], codes, start)


def greedy_start(table: GramTable, frames: Float[Tensor, "B D"]) -> Int[Tensor, "B N"]:
    """Choose codebook after codebook, each for what the former ones leave; a start that needs no classifier."""
    codes = torch.empty(len(frames), table.num_codebooks, dtype=torch.int64, device=frames.device)
    for n, cost in enumerate(table.unary(frames)):
        if n:
            cost = F.embedding_bag(codes[:, :n], table.pairs[n], mode="sum") + cost
        codes[:, n] = cost.argmin(1) + n * table.codebook_size
    return codes


def _costs(table: GramTable, unary: Sequence[Float[Tensor, "B K"]], codes: Int[Tensor, "B N"], n: int) -> Float[Tensor, "B K"]:
    """Cost of every entry of codebook n while the other codes stay."""
    return F.embedding_bag(codes, table.pairs[n], mode="sum").add_(unary[n])


def _descend(table: GramTable, unary: Sequence[Float[Tensor, "B K"]], codes: Int[Tensor, "B N"], order: Sequence[int]) -> None:
    """Set each codebook in turn to its best entry while the others stay; in place."""
    for n in order:
        codes[:, n] = _costs(table, unary, codes, n).argmin(1) + n * table.codebook_size


def _kick_and_descend(
    table: GramTable,
    unary: Sequence[Float[Tensor, "B K"]],
    frames: Float[Tensor, "B D"],
    codes: Int[Tensor, "B N"],
    effort: Effort,
) -> Int[Tensor, "B N"]:
    """Iterated local search: force some codebooks to their second best entry, settle the others before them, keep the better."""
    kicks = _kick_orders(table.num_codebooks, effort)
    error = table.squared_error(frames, codes)
    for kicked, order in kicks:
        trial = codes.clone()
        for n in kicked:
            costs = _costs(table, unary, trial, n)
            costs.scatter_(1, trial[:, n : n + 1] - n * table.codebook_size, torch.inf)
            trial[:, n] = costs.argmin(1) + n * table.codebook_size
        for sweep in range(effort.settle):
            _descend(table, unary, trial, order if sweep == 0 else range(table.num_codebooks))
        trial_error = table.squared_error(frames, trial)
        better = trial_error < error
        codes = torch.where(better[:, None], trial, codes)
        error = torch.where(better, trial_error, error)
    return codes


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
