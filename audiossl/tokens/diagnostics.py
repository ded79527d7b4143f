"""What a quantiser does to given frames: error, use of the codebooks, overlap between them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor

from audiossl.errors import DataError
from audiossl.tokens.contract import Quantizer, as_frames

DEAD_PERPLEXITY = 1.5  # below it a codebook carries next to no information
DUPLICATE_CORRELATION = 0.95


@dataclass(frozen=True)
class QuantiserDiagnostics:
    """Measurements of a quantiser on frames that it was not fitted to.

    Attributes:
        relative_error: squared error over squared distance to the mean frame, both normalised as the quantiser normalises.
        entropy: entropy of the code counts, in nats, per codebook.
        perplexity: exp(entropy), the number of entries in effective use, per codebook.
        index_entropy_loss: (ln K - mean entropy) / ln K; 0 when all entries are equally frequent.
        dead_codes: entries that these frames never chose, per codebook.
        codebook_correlation: tr(S_m S_n) / sqrt(tr(S_m S_m) tr(S_n S_n)) of the scatters of centred codebooks, N x N; near 1
            where two share a subspace.
        num_frames: frames measured.
        problems: sentences about codebooks that carry next to no information or double each other; empty where there are none.

    >>> from audiossl.tokens.kmeans import KMeansQuantizer
    >>> frames = torch.randn(200, 6)
    >>> diagnose(KMeansQuantizer.fit(frames, codebook_size=8), frames).num_frames
    200
    """

    relative_error: float
    entropy: list[float]
    perplexity: list[float]
    index_entropy_loss: float
    dead_codes: list[int]
    codebook_correlation: list[list[float]]
    num_frames: int
    problems: list[str]

    def to_json(self) -> dict[str, object]:
        """Plain numbers and lists."""
        return asdict(self)


def diagnose(quantiser: Quantizer, frames: Tensor | np.ndarray, quality: str = "default") -> QuantiserDiagnostics:
    """Encode frames and measure what comes out.

    Args:
        quantiser: fitted quantiser.
        frames: (T, D), best ones that it was not fitted to.
        quality: quality of the search, as `encode` takes it.

    Raises:
        DataError: if all frames are equal, not finite, or of another width.

    >>> from audiossl.tokens.kmeans import KMeansQuantizer
    >>> frames = torch.randn(200, 6)
    >>> diagnosis = diagnose(KMeansQuantizer.fit(frames, codebook_size=8), frames)
    >>> diagnosis.dead_codes, diagnosis.relative_error < 1
    ([0], True)
    """
    tensor = as_frames(frames, quantiser.dim)
    return diagnose_codes(quantiser, tensor, quantiser.encode(tensor, quality))


def diagnose_codes(quantiser: Quantizer, frames: Float[Tensor, "T D"], codes: Integer[Tensor, "T N"]) -> QuantiserDiagnostics:
    """Measure codes that were found for frames."""
    entropy, dead = code_use(codes, quantiser.codebook_size)
    correlation = codebook_correlation(quantiser.scaled_centers().detach())
    return QuantiserDiagnostics(
        relative_error=relative_error(quantiser, frames, codes),
        entropy=entropy.tolist(),
        perplexity=entropy.exp().tolist(),
        index_entropy_loss=1 - float(entropy.mean()) / math.log(quantiser.codebook_size),
        dead_codes=dead.tolist(),
        codebook_correlation=correlation.tolist(),
        num_frames=len(frames),
        problems=find_problems(entropy, correlation, quantiser.dim),
    )


def find_problems(entropy: Float[Tensor, "N"], correlation: Float[Tensor, "N N"], dim: int) -> list[str]:
    """Name dead codebooks, and pairs that quantise the same subspace where there is room for others; the first is codebook 1."""
    problems = [
        f"codebook {n} is dead: it gives nearly always one code (perplexity {value.exp():.2f})"
        for n, value in enumerate(entropy, 1)
        if value < math.log(DEAD_PERPLEXITY)
    ]
    if dim >= 2 * len(entropy):
        pairs = (correlation.triu(1) > DUPLICATE_CORRELATION).nonzero().tolist()
        problems += [
            f"codebooks {m + 1} and {n + 1} quantise the same subspace (correlation {correlation[m, n]:.2f})" for m, n in pairs
        ]
    return problems


@torch.no_grad()
def relative_error(quantiser: Quantizer, frames: Float[Tensor, "T D"], codes: Integer[Tensor, "T N"]) -> float:
    """Sum of |x - decode(codes)|^2 over sum of |x - mean x|^2, in the normalised space.

    The reference package divides by the distance to the mean of the centres; the mean of the frames makes quantisers comparable.

    Raises:
        DataError: if all frames are equal.
    """
    error = spread = size = 0.0
    mean = torch.stack([quantiser.normalise(block).double().sum(0) for block in frames.split(8192)]).sum(0) / max(len(frames), 1)
    for block, block_codes in zip(frames.split(8192), codes.split(8192), strict=True):
        normalised = quantiser.normalise(block)
        error += float((normalised - quantiser.normalise(quantiser.decode(block_codes))).square().sum())
        spread += float((normalised - mean).square().sum())
        size += float(normalised.double().square().sum())
    # Rounding leaves equal frames a spread of 1e-14 of their size; a quotient of roundings would pass for a measurement.
    if spread <= 1e-12 * size:
        raise DataError(
            f"expected frames that differ, got {len(frames)} equal ones (silence?): their error has nothing to be compared with. "
            "Measure on other recordings"
        )
    return error / spread


def code_use(codes: Integer[Tensor, "T N"], codebook_size: int) -> tuple[Float[Tensor, "N"], Integer[Tensor, "N"]]:
    """Entropy in nats and number of entries never chosen, per codebook."""
    counts = code_counts(codes, codebook_size)
    share = counts.double() / max(len(codes), 1)
    return torch.special.entr(share).sum(1).float(), (counts == 0).sum(1)


def code_counts(codes: Integer[Tensor, "T N"], codebook_size: int) -> Integer[Tensor, "N K"]:
    """How often each code of each codebook occurs."""
    return torch.stack([torch.bincount(column, minlength=codebook_size) for column in codes.long().T])


def codebook_correlation(centers: Float[Tensor, "N K D"]) -> Float[Tensor, "N N"]:
    """Overlap of the subspaces of codebooks, 0 to 1."""
    centred = centers - centers.mean(1, keepdim=True)
    scatter = (centred.transpose(1, 2) @ centred).flatten(1)
    scatter = scatter / (scatter.norm(dim=1, keepdim=True) + 1e-20)
    return scatter @ scatter.T
