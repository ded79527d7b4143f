"""Inner products of all centres of a multi-codebook quantiser, in whole numbers of 16 bits.

With x the frame and c_n the chosen centres,

    |x - sum c_n|^2 = |x|^2 + sum_n (|c_n|^2 - 2 x.c_n) + sum_{n<m} 2 c_n.c_m

The first sum needs one matrix product per frame, the second one table of all centres against each other, computed once: after
that no step of a search knows the width of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int16
from torch import Tensor
from torch.nn import functional as F

from audiossl.errors import ConfigError
from audiossl.features.products import product_by_transpose
from audiossl.tokens.offsets import common_offset

LARGEST_TABLE = 4 * 2**30  # bytes
LIFT = 2**14  # is added to what a search shall pass over
SMALL = 1e-6  # share of the largest squared norm below which interactions are taken for that


@dataclass(frozen=True)
class GramTable:
    """Inner products of all centres.

    Codes are global here: entry k of codebook n is n * K + k. The mean of each codebook is taken out, and their sum is taken out
    of frames: that changes no distance, while costs among large means would be too coarse to distinguish entries.

    Costs are whole numbers of one unit, so that sums of them are exact and the order of additions changes no code. The unit is
    such that no sum leaves 16 bits, however large a frame is: the interaction of an entry with one entry of each other codebook
    is at most a third of 2^14, an entry alone is cut at twice as much above the best of its codebook (further above, it can never
    be chosen), and `LIFT` may be added to either.

    Attributes:
        centers: all centres less the offset and the mean of their codebook, (N * K, D).
        offset: sum of the codebooks' common offsets, (D,), which can be taken out of frames without rounding.
        mean: sum of the means that are left, (D,).
        squares: their squared norms, (N * K,).
        pairs: 2 c_i . c_j in units, (N * K, N * K); zero between entries of one codebook; none of a single codebook.
        unit: squared distance that 1 stands for.
        cut: units at which an entry alone is cut.
    """

    centers: Float[Tensor, "M D"]
    offset: Float[Tensor, "D"]
    mean: Float[Tensor, "D"]
    squares: Float[Tensor, "M"]
    pairs: Int16[Tensor, "R M"]
    unit: float
    cut: int
    num_codebooks: int
    codebook_size: int

    @classmethod
    def build(cls, centers: Float[Tensor, "N K D"]) -> GramTable:
        """Compute the table; 2 * (N * K)^2 bytes.

        Raises:
            ConfigError: if it would not fit in 4 GiB.
        """
        N, K, _ = centers.shape
        M = N * K
        size = 2 * M**2
        if N > 1 and size > LARGEST_TABLE:
            raise ConfigError(
                f"{N} codebooks of {K} need a table of {size / 2**30:.0f} GiB, the limit is {LARGEST_TABLE / 2**30:.0f}; "
                "choose fewer codebooks or a smaller codebook_size"
            )
        offsets = common_offset(centers)
        centers = centers - offsets[:, None]
        means = centers.mean(1, keepdim=True)
        flat = (centers - means).reshape(M, -1)
        squares = flat.square().sum(1)
        pairs = torch.zeros(M if N > 1 else 0, M, dtype=torch.int16, device=flat.device)
        most = (LIFT - 2 - N) // 3  # room for what rounding adds
        largest = _largest_interaction(flat, N, K) if N > 1 else 0.0
        unit = max(largest, SMALL * float(squares.max()), torch.finfo(torch.float32).tiny * most) / most
        for n in range(N if N > 1 else 0):
            own = slice(n * K, (n + 1) * K)
            products = _products(flat[own], flat).mul_(2 / unit).round_()
            products[:, own] = 0
            pairs[own] = products.to(torch.int16)
        return cls(flat, offsets.sum(0), means.sum((0, 1)), squares, pairs, unit, 2 * most, N, K)

    def unary(self, frames: Float[Tensor, "B D"]) -> Int16[Tensor, "B M"]:
        """Cost of every entry alone, |c|^2 - 2 x.c, above the best of its codebook, in units."""
        centred = frames - self.offset - self.mean
        costs = (self.squares - 2 * _products(centred, self.centers)).view(-1, self.num_codebooks, self.codebook_size)
        above = costs.sub_(costs.amin(2, keepdim=True)).mul_(1 / self.unit)
        return above.round_().clamp_(max=self.cut).to(torch.int16).flatten(1)

    def nearest(self, frames: Float[Tensor, "B D"]) -> Float[Tensor, "B N K"]:
        """Cost of every entry alone in float32, for a search that ends with it."""
        centred = frames - self.offset - self.mean
        return (self.squares - 2 * _products(centred, self.centers)).view(-1, self.num_codebooks, self.codebook_size)


def _products(rows: Float[Tensor, "R D"], others: Float[Tensor, "M D"]) -> Float[Tensor, "R M"]:
    return product_by_transpose(rows, others) if rows.device.type == "cpu" else F.linear(rows, others)


def _largest_interaction(flat: Float[Tensor, "M D"], num_codebooks: int, codebook_size: int) -> float:
    """The most that one entry of each other codebook adds to an entry, in absolute value."""
    largest = 0.0
    for n in range(num_codebooks):
        own = slice(n * codebook_size, (n + 1) * codebook_size)
        products = _products(flat[own], flat).abs_().view(codebook_size, num_codebooks, codebook_size).amax(2)
        products[:, n] = 0
        largest = max(largest, 2 * float(products.sum(1).max()))
    return largest
