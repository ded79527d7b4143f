"""Covariance, correlation and partial correlation between regions over one stretch of time."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.features.frames.precision import full_precision
from audiossl.features.products import product_by_transpose

MANY_REGIONS = 128  # from which oneDNN's products are faster, one matrix at a time
Shrinkage = Literal["none", "ledoit_wolf"]
CONSTANT = 1e-6  # a region whose deviation is a smaller share of its mean square root is constant but for rounding


def covariance(
    series: Float[Tensor, "*B N T"], kept: Bool[Tensor, "*B T"] | None = None, shrinkage: Shrinkage = "none"
) -> Float[Tensor, "*B N N"]:
    """Covariance over the kept volumes, divided by their number as in scikit-learn.

    Args:
        series: regions x volumes; float64 stays float64, anything else is computed in float32.
        kept: volumes that count; all by default.
        shrinkage: `ledoit_wolf` mixes in the mean variance on the diagonal, by the share that estimates its error as least.

    Raises:
        DataError: if fewer than two volumes of a series are kept.

    >>> covariance(torch.tensor([[1.0, -1.0], [2.0, -2.0]]))
    tensor([[1., 2.],
            [2., 4.]])
    """
    centred, count = _centred(series, kept)
    empirical = centred @ centred.mT / count[..., None]
    return empirical if shrinkage == "none" else ledoit_wolf(centred, empirical, count)


def ledoit_wolf(
    centred: Float[Tensor, "*B N T"], empirical: Float[Tensor, "*B N N"], count: Float[Tensor, "*B 1"]
) -> Float[Tensor, "*B N N"]:
    """Shrink covariances towards a multiple of the identity (Ledoit and Wolf 2004, J. Multivariate Analysis 88).

    Args:
        centred: series without their mean, zero where volumes are left out.
        empirical: their covariances.
        count: volumes that were kept.

    >>> centred = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    >>> ledoit_wolf(centred, centred @ centred.T / 4, torch.tensor([4.0]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    num_regions, size = centred.shape[-2], count[..., 0]
    squares = centred.square()
    scale = empirical.diagonal(dim1=-2, dim2=-1).mean(-1)
    total = empirical.square().sum((-2, -1))
    spread = squares.sum(-2).square().sum(-1) / size  # mean over volumes of |x|^4
    error = (spread - total) / (num_regions * size)
    distance = total / num_regions - scale.square()
    share = torch.where(distance > 0, torch.minimum(error, distance).clamp(min=0) / distance.clamp(min=1e-30), 0.0)
    identity = torch.eye(num_regions, dtype=centred.dtype, device=centred.device)
    return (1 - share)[..., None, None] * empirical + (share * scale)[..., None, None] * identity


def correlation(
    series: Float[Tensor, "*B N T"], kept: Bool[Tensor, "*B T"] | None = None, shrinkage: Shrinkage = "none"
) -> Float[Tensor, "*B N N"]:
    """Pearson correlation over the kept volumes, clipped to [-1, 1]; with shrinkage, that of the shrunk covariance.

    A region that is constant or has a missing value correlates with nothing, itself included: zeros, and one warning that counts
    such regions. Arguments and errors are those of `covariance`. Shrinkage depends on the scale of regions: standardise first.

    Args:
        series, kept, shrinkage: as in `covariance`.

    >>> correlation(torch.tensor([[1.0, -1.0, 0.0], [2.0, -2.0, 0.0]])).round(decimals=4)
    tensor([[1., 1.],
            [1., 1.]])
    """
    centred, count = _centred(series, kept)
    norm = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
    size = torch.linalg.vector_norm(series if kept is None else series.masked_fill(~kept[..., None, :], 0), dim=-1, keepdim=True)
    unusable = ~(norm > CONSTANT * size) | ~torch.isfinite(norm)
    if bool(unusable.any()):
        warnings.warn(
            f"{int(unusable.sum())} of {unusable.numel()} regions are constant or have missing values and correlate with nothing",
            stacklevel=2,
        )
        centred, norm = centred.masked_fill(unusable, 0.0), norm.masked_fill(unusable, 1.0)
    if shrinkage == "none":
        return _cosines(centred / norm)
    shrunk = ledoit_wolf(centred, centred @ centred.mT / count[..., None], count)
    deviation = shrunk.diagonal(dim1=-2, dim2=-1).sqrt()[..., None].masked_fill(unusable, torch.inf)
    return (shrunk / deviation / deviation.mT).clamp(-1, 1)


def precision(
    series: Float[Tensor, "*B N T"], kept: Bool[Tensor, "*B T"] | None = None, shrinkage: Shrinkage = "ledoit_wolf"
) -> Float[Tensor, "*B N N"]:
    """Inverse of the covariance, in float64 inside.

    Args:
        series, kept, shrinkage: as in `covariance`.

    Raises:
        DataError: if it has no inverse: too few volumes, or a constant or missing region; shrinkage gives one for the first.

    >>> series = torch.randn(3, 50, dtype=torch.float64)
    >>> torch.allclose(precision(series, shrinkage="none") @ covariance(series), torch.eye(3, dtype=torch.float64))
    True
    """
    matrix = covariance(series.double(), kept, shrinkage)
    is_finite = bool(torch.isfinite(matrix).all())  # LAPACK fails at what is not
    inverse, failed = torch.linalg.inv_ex(matrix)
    smallest = torch.linalg.eigvalsh(matrix) if is_finite else matrix.new_zeros(1, 1)
    if not is_finite or bool((failed != 0).any()) or bool((smallest[..., 0] <= 1e-12 * smallest[..., -1]).any()):
        raise DataError(
            f"the covariance of {series.shape[-2]} regions over {series.shape[-1]} volumes has no inverse: use "
            "shrinkage='ledoit_wolf' or longer runs, and leave constant and missing regions out"
        )
    return inverse.to(series.dtype if series.dtype == torch.float64 else torch.float32)


def partial_correlation(
    series: Float[Tensor, "*B N T"], kept: Bool[Tensor, "*B T"] | None = None, shrinkage: Shrinkage = "ledoit_wolf"
) -> Float[Tensor, "*B N N"]:
    """Correlation of two regions given all others, ones on the diagonal; arguments and errors are those of `precision`.

    >>> partial_correlation(torch.randn(3, 50)).diagonal().round(decimals=4)
    tensor([1., 1., 1.])
    """
    inverse = precision(series, kept, shrinkage)
    deviation = inverse.diagonal(dim1=-2, dim2=-1).sqrt()
    partial = -inverse / (deviation[..., :, None] * deviation[..., None, :])
    return partial.diagonal_scatter(torch.ones_like(deviation), dim1=-2, dim2=-1)


def _cosines(rows: Float[Tensor, "*B N T"]) -> Float[Tensor, "*B N N"]:
    """Products of rows of length 1 with each other, within -1 and 1."""
    by_one_dnn = rows.device.type == "cpu" and rows.dtype == torch.float32 and rows.shape[-2] >= MANY_REGIONS
    if not by_one_dnn or rows.ndim == 2 or (torch.is_grad_enabled() and rows.requires_grad):
        return (rows @ rows.mT).clamp_(-1, 1)
    out = rows.new_empty(*rows.shape[:-1], rows.shape[-2])
    for one, gram in zip(rows.flatten(0, -3), out.flatten(0, -3), strict=True):
        torch.clamp(product_by_transpose(one, one), -1, 1, out=gram)
    return out


def _centred(
    series: Float[Tensor, "*B N T"], kept: Bool[Tensor, "*B T"] | None
) -> tuple[Float[Tensor, "*B N T"], Float[Tensor, "*B 1"]]:
    """Series without their mean, zero where a volume is left out, and the number of volumes kept."""
    series = full_precision(series)
    weight = torch.ones_like(series[..., 0, :]) if kept is None else kept.to(series.dtype)
    count = weight.sum(-1, keepdim=True)
    if bool((count < 2).any()):
        raise DataError(f"expected at least 2 volumes to be kept, got {int(count.min())} of {series.shape[-1]}")
    if kept is None:
        return series - series.mean(-1, keepdim=True), count
    series = series.masked_fill(~kept[..., None, :], 0.0)
    return (series - series.sum(-1, keepdim=True) / count[..., None]) * weight[..., None, :], count
