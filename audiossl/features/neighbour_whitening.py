"""Whitening by neighbours: directions in which a window differs from the next one are shrunk, and nothing is thrown away.

A window and its neighbour, one hop later in the same recording, are the same instant of the same person's movement. What differs
between them is what a representation had better not react to. A linear map that gives these differences (nearly) the same
variance in all directions is found in closed form, without labels. It is a relative of slow feature analysis (Wiskott and
Sejnowski 2002, Neural Computation 14), which looks for directions that vary slowly, and of the invariance and covariance terms of
VICReg (arXiv 2105.04906); unlike both it keeps every direction, so that a probe with many labels can undo it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from audiossl.errors import ConfigError, DataError
from audiossl.seeds import derive_generator

Blocks = Callable[[], Iterable[Float[Tensor, "B D"]]]  # the same rows in the same order at every call
TOTAL_VARIANCE = 1e4  # of what comes out, as 9,996 standardised columns of MiniRocket have: a grid of strengths fits all
WIDEST_EXACT = 2048  # features whose whole covariance is decomposed; of more the leading directions are found by iteration
ROUNDS = 4  # of that iteration
CONSTANT = 1e-6  # a smaller share of its mean is no deviation
SINGULAR = 1e-12  # a smaller share of the largest variance is none


@dataclass(frozen=True)
class WhiteningConfig:
    """How features are whitened.

    Attributes:
        dim: most directions that are kept before whitening, those of the highest variance; at most half as many as windows.
        shrinkage: multiple of the mean variance of differences that is added to each: 0 whitens fully, much leaves all as it is.

    Raises:
        ConfigError: for values out of range.

    >>> WhiteningConfig(shrinkage=0.5).dim
    1000
    """

    dim: int = 1000
    shrinkage: float = 1.0

    def __post_init__(self) -> None:
        if self.dim < 1 or not 0 <= self.shrinkage < float("inf"):
            raise ConfigError(
                f"whitening needs a dim of at least 1 and a shrinkage of at least 0, got {self.dim} and {self.shrinkage}"
            )


class NeighbourWhitener(nn.Module):
    """The affine map that was found: `(x - mean) @ weight`, with standardisation, projection, whitening and scale in the weight.

    Args:
        mean: mean of every feature.
        weight: columns give the whitened features.

    >>> NeighbourWhitener(torch.zeros(2), torch.eye(2))(torch.ones(1, 2))
    tensor([[1., 1.]])
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, mean: Float[Tensor, "D"], weight: Float[Tensor, "D K"]) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("weight", weight.float())

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Map features, in float32.

        Raises:
            DataError: if one is not finite.
        """
        refuse_gaps(x)
        return (x.float() - self.mean) @ self.weight


def fit_neighbour_whitening(
    blocks: Blocks, follows: Bool[Tensor, "N"], config: WhiteningConfig | None = None
) -> NeighbourWhitener:
    """Find the map that whitens features by the differences of neighbouring windows.

    With P the standardised features, projected on their leading principal directions, and S the covariance of half the difference
    of two neighbours, features become P (S + shrinkage mean(diag S) I)^(-1/2), times one factor for all, so that their total
    variance over the windows is 1e4. Standardisation, projection and S are sums over windows: memory does not grow with their
    number, and how rows are divided into blocks changes only the rounding. The decompositions are in float64.

    Args:
        blocks: function that gives features block by block; windows of a recording are in the order of time. Called twice,
            or six times for more than 2,048 features, whose leading directions are found by subspace iteration.
        follows: whether each window is the neighbour of the row before, one hop later in the same recording.
        config: number of directions and shrinkage.

    Raises:
        DataError: if a feature is not finite, no two windows are neighbours, all neighbours are equal, or differences do not vary
            in every direction and there is no shrinkage.

    >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5.0, 1.0])
    >>> whiten = fit_neighbour_whitening(lambda: x.split(64), torch.arange(200) > 0)
    >>> round(float(whiten(x).var(0, correction=0).sum()))
    10000
    """
    config = config or WhiteningConfig()
    if not bool(follows[1:].any()):
        raise DataError("no two of the windows are neighbours, one hop apart in one recording: whitening learns from such pairs")
    mean, inverse = _moments(blocks, len(follows))
    width, dim = len(mean), max(1, min(config.dim, len(follows) // 2))
    precision = torch.float64 if width <= WIDEST_EXACT else torch.float32

    def standard(block: Tensor) -> Tensor:
        return ((block.double() - mean) * inverse).to(precision)

    if width <= max(WIDEST_EXACT, dim):
        basis = torch.eye(width, dtype=torch.float64)
    else:
        basis = _leading(blocks, standard, width, min(width, dim + dim // 10 + 10)).double()
    partly = basis.to(precision)
    total, differing = _second_moments(blocks, follows, lambda block: (standard(block) @ partly).double())
    if basis.shape[1] > dim:
        directions = _eigen(total)[1][:, -dim:]
        basis = basis @ directions
        total, differing = directions.T @ total @ directions, directions.T @ differing @ directions
    root = _inverse_root(differing, config.shrinkage)
    scale = (TOTAL_VARIANCE / float((root @ total @ root).trace())) ** 0.5
    return NeighbourWhitener(mean, scale * inverse[:, None] * (basis @ root))


def _moments(blocks: Blocks, count: int) -> tuple[Float64[Tensor, "D"], Float64[Tensor, "D"]]:
    """Mean, and one over the deviation, of every feature; a constant one, of which nothing is known, is left out by 0."""
    found = 0
    shift = total = square = torch.zeros(1, dtype=torch.float64)
    for block in blocks():
        refuse_gaps(block, found)
        x = block.double()
        shift = x[0] if not found else shift
        total = total + (x - shift).sum(0)
        square = square + (x - shift).square().sum(0)
        found += len(x)
    if found != count:
        raise DataError(f"expected features of {count} windows, as many as there are marks of neighbours, got {found}")
    mean = total / count
    deviation = (square / count - mean.square()).clamp(min=0).sqrt()
    mean = mean + shift
    constant = deviation <= CONSTANT * mean.abs().clamp(min=CONSTANT)
    if bool(constant.all()):
        raise DataError("every feature is the same in all windows: there is nothing to whiten")
    return mean, torch.where(constant, 0.0, 1 / deviation)


def _second_moments(
    blocks: Blocks, follows: Bool[Tensor, "N"], function: Callable[[Tensor], Tensor]
) -> tuple[Float64[Tensor, "K K"], Float64[Tensor, "K K"]]:
    """Covariance of features with mean 0, and of half the difference of neighbours; a pair counts in either order."""
    total = differing = torch.zeros(1, dtype=torch.float64)
    last: Tensor | None = None
    row = 0
    for block in blocks():
        x = function(block)
        joined = x if last is None else torch.cat([last, x])  # a pair may lie across two blocks
        half = joined.diff(dim=0)[follows[row + (last is None) : row + len(x)]] / 2
        total, differing = total + x.T @ x, differing + half.T @ half
        last, row = x[-1:], row + len(x)
    return total / len(follows), differing / int(follows[1:].sum())


def _leading(blocks: Blocks, standard: Callable[[Tensor], Tensor], width: int, count: int) -> Float[Tensor, "{width} {count}"]:
    """An orthonormal basis near the leading principal directions, by subspace iteration from the same draw at every call."""
    basis = torch.randn(width, count, generator=derive_generator(0, "principal directions"))
    for _ in range(ROUNDS):
        image = torch.zeros_like(basis)
        for block in blocks():
            x = standard(block)
            image.addmm_(x.T, x @ basis)
        basis = torch.linalg.qr(image.double())[0].float()
    return basis


def _inverse_root(covariance: Float64[Tensor, "K K"], shrinkage: float) -> Float64[Tensor, "K K"]:
    values, vectors = _eigen(covariance)
    mean = values.mean()
    shrunk = values.clamp(min=0) + shrinkage * mean
    if not float(mean) > 0:
        raise DataError("neighbouring windows have the same features everywhere: there is nothing to whiten by")
    if not bool(shrunk.min() > SINGULAR * shrunk.max()):
        raise DataError(
            "differences of neighbouring windows do not vary in every direction, so that they cannot be whitened: take a "
            f"shrinkage above 0, or fewer than {len(values)} directions"
        )
    return (vectors * shrunk.rsqrt()) @ vectors.T


def _eigen(covariance: Float64[Tensor, "K K"]) -> tuple[Float64[Tensor, "K"], Float64[Tensor, "K K"]]:
    """Eigenvalues in rising order, and vectors whose largest entry is positive, so that rounding decides no sign."""
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return values, vectors * torch.where(largest < 0, -1.0, 1.0)


def refuse_gaps(x: Float[Tensor, "B *D"], first: int = 0) -> None:
    """Refuse windows, or features of them, that are not finite.

    Args:
        x: a block of them.
        first: number of its first row, for messages.

    Raises:
        DataError: naming the first.
    """
    rows = (~x.flatten(1).isfinite().all(1)).nonzero()[:, 0]
    if len(rows):
        raise DataError(
            f"expected finite numbers, got NaN or infinity in {len(rows)} windows of a block, the first in row "
            f"{first + int(rows[0])}: fill the gaps of these windows, or leave them out"
        )
