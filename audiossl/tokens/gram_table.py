"""Inner products of all centres, as integers: what a search for codes needs to know of codebooks.

With x the frame and c_n the chosen centres,

    |x - sum c_n|^2 = |x|^2 + sum_n (|c_n|^2 - 2 x.c_n) + sum_{n<m} 2 c_n.c_m

The first sum needs one matrix product per frame, the second one a table of all centres against each other, computed once: after
that no step of the search knows the width of a frame. Both are rounded to int16, so that every sum of a search is exact: codes
depend neither on an order of additions nor on what is searched together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int16
from torch import Tensor

from audiossl.errors import ConfigError
from audiossl.features.products import product_by_transpose
from audiossl.tokens.offsets import common_offset

BLOCK = 512  # frames of one product; fixed, and the last block is padded, so that chunking never changes a code
LARGEST_TABLE = 4 * 2**30  # bytes
# The interactions of an entry with all other codebooks lie within +-BOUND, its cost alone within 0..CUT, so their sum within
# -BOUND..3 BOUND; the current entry is lifted by LIFT, above all others. That makes 7 BOUND, which fit an int16.
BOUND = 4600
CUT = 2 * BOUND + 2
LIFT = 4 * BOUND + 64


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
        unit: cost that the integer 1 stands for.
        pairs: 2 c_i . c_j in units, (N * K, N * K), symmetric. Within a codebook it is zero, but for LIFT on the diagonal: the
            sum of the rows of all N codes of a frame is the interaction of each entry with the *other* codebooks, and lifts the
            current entries out of every minimum. Empty where there is one codebook.
    """

    centers: Float[Tensor, "M D"]
    offset: Float[Tensor, "D"]
    mean: Float[Tensor, "D"]
    squares: Float[Tensor, "M"]
    unit: float
    pairs: Int16[Tensor, "R R"]
    num_codebooks: int
    codebook_size: int

    @classmethod
    def build(cls, centers: Float[Tensor, "N K D"]) -> GramTable:
        """Compute the table; 2 * (N * K)^2 bytes.

        Raises:
            ConfigError: if it would not fit in 4 GiB.
        """
        N, K, _ = centers.shape
        size = 2 * (N * K) ** 2
        if N > 1 and size > LARGEST_TABLE:
            raise ConfigError(
                f"{N} codebooks of {K} need a table of {size / 2**30:.0f} GiB, the limit is {LARGEST_TABLE / 2**30:.0f}; "
                "choose fewer codebooks or a smaller codebook_size"
            )
        offsets = common_offset(centers)
        centers = centers - offsets[:, None]
        means = centers.mean(1, keepdim=True)
        flat = (centers - means).reshape(N * K, -1)
        unit, pairs = _integer_pairs(flat, N) if N > 1 else (1.0, torch.empty(0, 0, dtype=torch.int16, device=flat.device))
        return cls(flat, offsets.sum(0), means.sum((0, 1)), flat.square().sum(1), unit, pairs, N, K)

    def centred(self, frames: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Take out of frames what was taken out of the centres."""
        return frames - self.offset - self.mean

    def unary(self, centred: Float[Tensor, "B D"]) -> Float[Tensor, "B N K"]:
        """Cost of every entry alone, |c|^2 - 2 x.c; `centred` as from `centred`."""
        products = [
            _product(F.pad(block, (0, 0, 0, BLOCK - len(block))), self.centers)[: len(block)] for block in centred.split(BLOCK)
        ]
        costs = products[0] if len(products) == 1 else torch.cat(products)
        return costs.mul_(-2).add_(self.squares).view(-1, self.num_codebooks, self.codebook_size)

    def integer_unary(self, unary: Float[Tensor, "B N K"]) -> Int16[Tensor, "B M"]:
        """Costs above the least of each codebook, in units and cut at CUT; `unary` is overwritten.

        An entry that is further above the least than all interactions reach is never better, whatever the other codes are: the
        cut loses nothing, and no frame is too large for an int16.
        """
        above = unary.sub_(unary.amin(2, keepdim=True))
        return above.mul_(1 / self.unit).clamp_(max=CUT).round_().to(torch.int16).flatten(1)

    def squared_error(self, centred: Float[Tensor, "B D"], codes: Int[Tensor, "B N"]) -> Float[Tensor, "B"]:
        """|x - decode(codes)|^2 of each frame; `centred` as from `centred`."""
        return (centred - F.embedding_bag(codes, self.centers, mode="sum")).square().sum(1)


def _product(frames: Float[Tensor, "B D"], centers: Float[Tensor, "M D"]) -> Float[Tensor, "B M"]:
    return product_by_transpose(frames, centers) if frames.device.type == "cpu" else F.linear(frames, centers)


def _integer_pairs(centers: Float[Tensor, "M D"], num_codebooks: int) -> tuple[float, Int16[Tensor, "M M"]]:
    """The unit and the table of pairs. Products are made twice: kept in float32 they would take twice the room of the table."""
    size = len(centers)
    blocks = centers.view(num_codebooks, size // num_codebooks, -1)
    largest = centers.new_zeros(())
    for n, block in enumerate(blocks):
        products = _product(block, centers).mul_(2).abs_().view(len(block), num_codebooks, -1).amax(2)
        products[:, n] = 0
        largest = torch.maximum(largest, products.sum(1).amax())
    unit = max(float(largest), 1e-30) / max(BOUND - num_codebooks // 2 - 1, BOUND // 2)  # a sum of roundings stays within BOUND
    pairs = torch.empty(size, size, dtype=torch.int16, device=centers.device)
    for n, block in enumerate(blocks):
        own = slice(n * len(block), (n + 1) * len(block))
        later = centers[own.stop :]  # what is above the diagonal, mirrored: equal to the bit
        pairs[own, own.stop :] = _product(block, later).mul_(2 / unit).round_().to(torch.int16)
        pairs[own.stop :, own] = pairs[own, own.stop :].T
        pairs[own, own] = 0
    pairs.diagonal().fill_(LIFT)
    return unit, pairs
