"""k-means as a quantiser with one codebook."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, UInt
from torch import Tensor

from audiossl.tokens.contract import Quantizer, as_frames, check_training_frames, sum_of_centers
from audiossl.tokens.offsets import common_offset


class KMeansQuantizer(Quantizer):
    """One code per frame: the nearest of K centres, as HuBERT's targets are made (arXiv 2106.07447).

    Args:
        dim: D, width of a frame.
        num_codebooks: always 1.
        codebook_size: K, number of centres.

    >>> quantiser = KMeansQuantizer.fit(torch.randn(200, 6), codebook_size=8)
    >>> quantiser.encode(torch.randn(3, 6)).shape
    torch.Size([3, 1])
    """

    kind = "kmeans"
    centers: Tensor

    def __init__(self, dim: int, num_codebooks: int = 1, codebook_size: int = 500) -> None:
        """Make an untrained quantiser; `num_codebooks` is 1 and there for the common contract."""
        super().__init__(dim, 1, codebook_size)
        self.register_buffer("centers", torch.zeros(1, codebook_size, dim))

    @classmethod
    def fit(
        cls,
        frames: Tensor | np.ndarray,
        num_codebooks: int = 1,
        codebook_size: int = 500,
        *,
        seed: int = 0,
        normalise: bool = True,
    ) -> KMeansQuantizer:
        """Cluster frames with scikit-learn's MiniBatchKMeans.

        Raises:
            DataError: if frames are too few, constant or hold NaN.
        """
        from sklearn.cluster import MiniBatchKMeans

        tensor = as_frames(frames)
        check_training_frames(tensor, codebook_size)
        quantiser = cls(tensor.shape[1], num_codebooks, codebook_size)
        quantiser.set_normalisation(tensor, normalise)
        clusters = MiniBatchKMeans(
            codebook_size, batch_size=max(4096, 4 * codebook_size), n_init="auto", random_state=seed % 2**32
        )
        clusters.fit(quantiser.normalise(tensor).numpy())
        quantiser.centers.copy_(torch.from_numpy(clusters.cluster_centers_)[None])
        quantiser.stamp_id()
        return quantiser.eval()

    def scaled_centers(self) -> Float[Tensor, "N K D"]:
        """The centres, in the normalised space."""
        return self.centers

    @torch.no_grad()
    def encode(self, frames: Tensor | np.ndarray, quality: str = "default") -> UInt[Tensor, "T 1"]:
        """Find the nearest centre of each frame; every quality is exact here.

        Raises:
            DataError: if the frames have the wrong shape or hold NaN.
        """
        offset = common_offset(self.centers[0])
        centers = self.centers[0] - offset
        squares = centers.square().sum(1)

        def nearest(block: Float[Tensor, "B D"]) -> Int[Tensor, "B 1"]:
            return torch.addmm(squares, block - offset, centers.T, alpha=-2).argmin(1, keepdim=True)

        return self.encode_blocks(frames, nearest)

    def decode(self, codes: Tensor) -> Float[Tensor, "*T D"]:
        """Look the centres up; codes (*T, 1).

        Raises:
            DataError: if the last axis is not 1, or a code is outside 0..K-1.
        """
        return sum_of_centers(self.centers, codes) * self.std + self.mean
