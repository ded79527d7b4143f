"""Finite scalar quantisation: each code is a few principal components, rounded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt
from torch import Tensor

from audiossl.errors import ConfigError, import_extra
from audiossl.tokens.contract import Quantizer, as_frames, channel_statistics, check_training_frames, sum_of_centers
from audiossl.tokens.offsets import common_offset
from audiossl.tokens.precision import full_precision
from audiossl.tokens.quantiser_training import deal_out

# What FSQ does to a standard normal variable when its values are read back linearly: number of levels, the scale before the tanh
# that makes the squared error least, and that error. Found by a search over scales.
GAUSSIAN = {
    3: (0.90, 0.1902),
    4: (0.81, 0.1383),
    5: (0.75, 0.0864),
    6: (0.71, 0.0751),
    7: (0.66, 0.0596),
    8: (0.60, 0.0549),
    9: (0.51, 0.0451),
    10: (0.47, 0.0409),
    11: (0.44, 0.0338),
    12: (0.42, 0.0311),
    13: (0.41, 0.0266),
    14: (0.39, 0.0249),
    15: (0.38, 0.0218),
    16: (0.37, 0.0206),
}
MOST_AXES = 10  # per codebook: 3^10 is the last power of three below the largest codebook, 65536
MOMENT_BLOCK = 8192


class FiniteScalarQuantizer(Quantizer):
    """Codes without a learned codebook (FSQ, arXiv 2309.15505), with projections in closed form instead of an autoencoder.

    Each codebook reads a few principal axes of the frames, which FSQ of vector-quantize-pytorch bounds and rounds to a few
    levels. Decoding is the least-squares linear map from the rounded values to the frames. The levels per axis are those whose
    product is at most the wanted codebook size and whose error would be least if the frames were Gaussian: few axes with many
    levels where the variance is in few axes, many with few levels where it is spread.

    Attributes:
        levels: levels of the axes of each codebook, falling, filled up with ones.
        axes, offset: normalised frames times `axes` (N, 10, D) plus `offset` (N, 10) is what FSQ rounds.
        centers: vectors that each code adds to a decoded frame, (N, K, D).

    >>> quantiser = FiniteScalarQuantizer.fit(torch.randn(400, 8), 2, codebook_size=16, progress=False)
    >>> quantiser.encode(torch.randn(3, 8)).shape
    torch.Size([3, 2])
    """

    kind = "fsq"
    levels: Tensor
    axes: Tensor
    offset: Tensor
    centers: Tensor

    def __init__(self, dim: int, num_codebooks: int, codebook_size: int = 256) -> None:
        """Make an untrained quantiser; `codebook_size` is the product of the levels that will be loaded."""
        super().__init__(dim, num_codebooks, codebook_size)
        self.register_buffer("levels", torch.ones(MOST_AXES, dtype=torch.int64))
        self.register_buffer("axes", torch.zeros(num_codebooks, MOST_AXES, dim))
        self.register_buffer("offset", torch.zeros(num_codebooks, MOST_AXES))
        self.register_buffer("centers", torch.zeros(num_codebooks, codebook_size, dim))

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        frames: Tensor | np.ndarray,
        num_codebooks: int,
        codebook_size: int = 256,
        *,
        seed: int = 0,
        normalise: bool = True,
        progress: bool = True,
    ) -> FiniteScalarQuantizer:
        """Choose axes, levels and the linear decoder from frames (T, D).

        Args:
            frames: a tensor or an array, in any order.
            num_codebooks: N, codes per frame; at most D.
            codebook_size: most entries per codebook; the quantiser's own `codebook_size` is the product of its levels, which may
                be smaller (252 for 256).
            seed: unused, nothing is drawn; there for the common contract.
            normalise: quantise (frame - mean) / std per channel; decoding undoes it.
            progress: unused, this takes seconds.

        Raises:
            ConfigError: if the frames have too few channels for so many codebooks of this size.
            DataError: if frames are too few, constant or hold NaN.
            MissingExtraError: if vector-quantize-pytorch is not installed.
        """
        import_extra("vector_quantize_pytorch", "quantisers")
        tensor = as_frames(frames).cpu()
        check_training_frames(tensor, codebook_size)
        if normalise:
            mean, std = channel_statistics(tensor)
        else:
            mean, std = common_offset(tensor), torch.ones(tensor.shape[1])
        with full_precision(tensor.device):
            normal = (tensor.float() - mean) / std
            center = normal.double().mean(0).float()
            variances, directions = torch.linalg.eigh(_moments(normal - center, normal - center))
            variances, directions = variances.flip(0).clamp_min(0), directions.flip(1)
            largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
            directions = (directions * largest.sign()).float()  # the sign of an eigenvector is arbitrary
            levels = choose_levels(variances, num_codebooks, codebook_size)
            groups = deal_out(variances[: num_codebooks * len(levels)].float(), num_codebooks)
            quantiser = cls(tensor.shape[1], num_codebooks, math.prod(levels))
            quantiser.mean.copy_(mean)
            quantiser.std.copy_(std)
            quantiser.levels[: len(levels)] = torch.tensor(levels)
            gains = torch.tensor([GAUSSIAN[level][0] for level in levels])
            scales = torch.where(variances > 1e-10 * variances[0], variances.rsqrt(), 0.0).float()  # an empty axis carries noise
            for n, members in enumerate(groups):
                quantiser.axes[n, : len(levels)] = (gains * scales[members])[:, None] * directions[:, members].T
            quantiser.offset.copy_(-(quantiser.axes @ center))
            quantiser._fit_centers(normal, center)
        quantiser.stamp_id()
        return quantiser.eval()

    def scaled_centers(self) -> Float[Tensor, "N K D"]:
        """What each code adds to a frame, in the normalised space."""
        return self.centers

    @torch.no_grad()
    def encode(self, frames: Tensor | np.ndarray, quality: str = "default") -> UInt[Tensor, "T N"]:
        """Project and round; every quality is the same.

        Raises:
            ConfigError: if the quantiser was neither fitted nor loaded.
            DataError: if the frames have the wrong shape or hold NaN.
            MissingExtraError: if vector-quantize-pytorch is not installed.
        """
        rounding = self._rounding()
        # Quantisers fitted to frames far from zero hold the offset in their centres; `axes` times it would drown the offset.
        common = common_offset(self.centers).sum(0)
        count = self._axes_per_codebook()
        offset = (self.offset.double() + self.axes.double() @ common.double()).float()[:, :count].flatten()
        axes = self.axes[:, :count].flatten(0, 1).T
        return self.encode_blocks(frames, lambda block: rounding(torch.addmm(offset, block - common, axes)[None])[1][0])

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Float[Tensor, "*T D"]:
        """Map the rounded values back; codes (*T, N) of any integer type.

        Raises:
            DataError: if the last axis is not N, or a code is outside 0..K-1.
        """
        return sum_of_centers(self.centers, codes) * self.std + self.mean

    def _axes_per_codebook(self) -> int:
        return int((self.levels > 1).sum())

    def _rounding(self) -> Any:
        """The FSQ of these levels, for all codebooks side by side."""
        count = self._axes_per_codebook()
        if not count:
            raise ConfigError("this quantiser has no levels yet: make it by FiniteScalarQuantizer.fit or load")
        library = import_extra("vector_quantize_pytorch", "quantisers")
        levels, total = self.levels[:count].tolist(), self.num_codebooks * count
        rounding = library.FSQ(levels, dim=total, num_codebooks=self.num_codebooks, keep_num_codebooks_dim=True)
        return rounding.to(self.centers.device).eval()

    def _project(self, normal: Float[Tensor, "T D"]) -> Float[Tensor, "T M"]:
        count = self._axes_per_codebook()
        return torch.addmm(self.offset[:, :count].flatten(), normal, self.axes[:, :count].flatten(0, 1).T)

    def _fit_centers(self, normal: Float[Tensor, "T D"], center: Float[Tensor, "D"]) -> None:
        """Least squares from rounded values to frames; each codebook bears an equal part of the mean."""
        rounding = self._rounding()
        values = torch.cat([rounding(self._project(block)[None])[0][0] for block in normal.split(MOMENT_BLOCK)])
        middle = values.double().mean(0).float()
        inverse = torch.linalg.pinv(_moments(values - middle, values - middle), hermitian=True, rtol=1e-9)
        decoder = inverse @ _moments(values - middle, normal - center)  # (N * L, D)
        every_code = torch.arange(self.codebook_size, device=values.device)[:, None].expand(-1, self.num_codebooks)
        grid = (rounding.indices_to_codes(every_code) - middle).double()  # (K, N * L)
        per_codebook = (self.num_codebooks, self._axes_per_codebook(), -1)
        spread = torch.einsum("knl,nld->nkd", grid.view(-1, *per_codebook[:2]), decoder.view(*per_codebook))
        self.centers.copy_(spread + center / self.num_codebooks)


def choose_levels(variances: Float[Tensor, "D"], num_codebooks: int, codebook_size: int) -> list[int]:
    """Levels for the axes of each codebook that would make the error least if the frames were Gaussian.

    Args:
        variances: variances of the principal axes, falling.
        num_codebooks: N; codebooks of L axes share the first N * L axes.
        codebook_size: the product of the levels is at most this, and at least half of it.

    Returns:
        from 1 to 10 levels of 3 to 16, falling.

    Raises:
        ConfigError: if there are too few axes.
    """
    most = min(MOST_AXES, len(variances) // num_codebooks)
    shares: list[Tensor] = []  # variance at each place of a group, by the number of axes
    for count in range(1, most + 1):
        groups = deal_out(variances[: num_codebooks * count].float(), num_codebooks)
        shares.append(variances[torch.tensor(groups)].sum(0))
    best: tuple[float, list[int]] | None = None
    for levels in _level_sets(codebook_size, most):
        if 2 * math.prod(levels) >= codebook_size:
            gained = sum(
                (1 - GAUSSIAN[level][1]) * share for level, share in zip(levels, shares[len(levels) - 1].tolist(), strict=True)
            )
            if best is None or gained > best[0]:
                best = (gained, levels)
    if best is None:
        raise ConfigError(
            f"frames of {len(variances)} channels have too few principal axes for {num_codebooks} codebooks of {codebook_size} "
            f"entries (at least 3): each axis belongs to one codebook and has at most {max(GAUSSIAN)} levels; "
            "choose fewer codebooks or a smaller codebook_size"
        )
    return best[1]


def _level_sets(product: int, most: int, largest: int = max(GAUSSIAN)) -> Iterator[list[int]]:
    """Every falling list of 1 to `most` levels whose product is at most `product`."""
    for level in range(min(largest, product), min(GAUSSIAN) - 1, -1) if most else ():
        yield [level]
        for rest in _level_sets(product // level, most - 1, level):
            yield [level, *rest]


def _moments(left: Float[Tensor, "T A"], right: Float[Tensor, "T B"]) -> Float[Tensor, "A B"]:
    """Mean outer product, in double precision without a double copy of the frames."""
    total = torch.zeros(left.shape[1], right.shape[1], dtype=torch.float64)
    for a, b in zip(left.split(MOMENT_BLOCK), right.split(MOMENT_BLOCK), strict=True):
        total += a.double().T @ b.double()
    return total / len(left)
