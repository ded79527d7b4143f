"""Quality of tokens before anything is trained on them: error against a bound, use of codes, agreement with labels."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from audiossl.errors import DataError
from audiossl.tokens.contract import Quantizer, as_frames, channel_moments
from audiossl.tokens.diagnostics import QuantiserDiagnostics, code_counts, diagnose_codes, relative_error

QUALITIES = ("fast", "default", "best")
TIMED_FRAMES = 4096


@dataclass(frozen=True)
class SearchQuality:
    """Relative error and speed of one search on so many frames, on this machine with the threads that torch has."""

    quality: str
    relative_error: float
    frames_per_second: float
    num_frames: int


@dataclass(frozen=True)
class LabelAgreement:
    """How well each codebook alone predicts the label of a frame.

    Attributes:
        name: name of the labels.
        num_labels, num_frames: distinct labels, frames that carry one.
        purity: share of frames whose label is the most frequent one of their code (HuBERT, arXiv 2106.07447, section V.C).
        pnmi: mutual information of codes and labels over the entropy of the labels (same section), 0 to 1.
        chance_purity: share of the most frequent label, which any code reaches.
    """

    name: str
    num_labels: int
    num_frames: int
    purity: list[float]
    pnmi: list[float]
    chance_purity: float


@dataclass(frozen=True)
class TokenQuality:
    """Measurements of a quantiser on frames of a teacher.

    Attributes:
        quantiser: id, kind, num_codebooks, codebook_size, dim.
        teacher: teacher of the frames, in words.
        frame_rate: frames per second.
        held_out: whether the quantiser was not fitted to these frames.
        quality: search that made the codes of `diagnostics`.
        diagnostics: error and use of the codebooks.
        shannon_error: least relative error of any quantiser of these bits on Gaussian frames with this covariance.
        water_level: error that the bound leaves per axis, as a share of the variance.
        variance_shares: shares of the principal axes in the normalised space, falling.
        searches: error and speed by quality.
        counts: frequency of each code, N x K.
        bytes_per_hour: bytes of stored tokens.
        labels: agreement with labels, where there are some.
        num_recordings: number of recordings that the frames come from; None if that was not said.

    >>> from audiossl.tokens.kmeans import KMeansQuantizer
    >>> frames = torch.randn(200, 6)
    >>> quality = measure_quality(KMeansQuantizer.fit(frames, codebook_size=8), frames, 50.0, "logmel")
    >>> quality.held_out, len(quality.counts[0])
    (True, 8)
    """

    quantiser: dict[str, Any]
    teacher: str
    frame_rate: float
    held_out: bool
    quality: str
    diagnostics: QuantiserDiagnostics
    shannon_error: float
    water_level: float
    variance_shares: list[float]
    searches: list[SearchQuality]
    counts: list[list[int]]
    bytes_per_hour: float
    labels: LabelAgreement | None
    num_recordings: int | None = None

    def to_json(self) -> dict[str, object]:
        """Plain numbers, lists and dicts; diagnostics are laid flat."""
        flat = asdict(self)
        diagnostics = flat.pop("diagnostics")
        flat["qualities"] = flat.pop("searches")
        return {**flat, **diagnostics}


def measure_quality(
    quantiser: Quantizer,
    frames: Tensor | np.ndarray,
    frame_rate: float,
    teacher: str,
    quality: str = "default",
    held_out: bool = True,
    labels: tuple[str, Sequence[str | None]] | None = None,
    num_recordings: int | None = None,
) -> TokenQuality:
    """Encode frames (T, D) and measure the tokens.

    Args:
        quantiser: a fitted one.
        frames: frames of the teacher, best ones that the quantiser was not fitted to.
        frame_rate: frames per second.
        teacher: teacher of the frames, in words.
        quality: search to measure; all are compared on 4,096 frames at most.
        held_out: answer as in `TokenQuality`.
        labels: a name, and a label or None for each frame.
        num_recordings: number as in `TokenQuality`.

    Raises:
        DataError: if there are no frames, all are equal, or there are labels of another number.

    >>> from audiossl.tokens.kmeans import KMeansQuantizer
    >>> frames = torch.randn(200, 6)
    >>> measure_quality(KMeansQuantizer.fit(frames, codebook_size=8), frames, 50.0, "logmel", held_out=False).held_out
    False
    """
    tensor = as_frames(frames, quantiser.dim)
    if not len(tensor):
        raise DataError("there are no frames to measure the tokens on")
    codes = quantiser.encode(tensor, quality)
    timed = tensor[:: -(-len(tensor) // TIMED_FRAMES)]  # spread over all frames, which may come in order of length
    shares = variance_shares(quantiser, tensor)
    bits = quantiser.num_codebooks * math.log2(quantiser.codebook_size)
    shannon, level = shannon_error(shares, bits)
    about = {name: getattr(quantiser, name) for name in ("id", "kind", "num_codebooks", "codebook_size", "dim")}
    return TokenQuality(
        quantiser=about,
        teacher=teacher,
        frame_rate=frame_rate,
        held_out=held_out,
        quality=quality,
        diagnostics=diagnose_codes(quantiser, tensor, codes),
        shannon_error=shannon,
        water_level=level,
        variance_shares=shares.tolist(),
        searches=[_time_search(quantiser, timed, name) for name in QUALITIES],
        counts=code_counts(codes, quantiser.codebook_size).tolist(),
        bytes_per_hour=3600 * frame_rate * quantiser.num_codebooks * codes.element_size(),
        labels=label_agreement(codes, labels[0], labels[1], quantiser.codebook_size) if labels else None,
        num_recordings=num_recordings,
    )


def _time_search(quantiser: Quantizer, frames: Float[Tensor, "T D"], quality: str) -> SearchQuality:
    quantiser.encode(frames[:64], quality)  # tables are built at the first call
    begin = time.perf_counter()
    codes = quantiser.encode(frames, quality)
    seconds = time.perf_counter() - begin
    return SearchQuality(quality, relative_error(quantiser, frames, codes), len(frames) / max(seconds, 1e-9), len(frames))


@torch.no_grad()
def variance_shares(quantiser: Quantizer, frames: Float[Tensor, "T D"]) -> Float[Tensor, "D"]:
    """Share of the variance along each principal axis of the normalised frames, falling."""
    _, covariance = channel_moments(quantiser.normalise(block) for block in frames.split(8192))
    variances = torch.linalg.eigvalsh(covariance).flip(0).clamp_min(0)
    return (variances / variances.sum().clamp_min(1e-300)).float()


def shannon_error(shares: Float[Tensor, "D"], bits: float | int) -> tuple[float, float]:
    """Least relative error with `bits` bits a frame on independent Gaussian frames, by reverse water-filling.

    Axis i of variance v_i is left with the error min(v_i, w); the level w is the one at which sum max(0, log2(v_i / w) / 2) is
    the number of bits (Cover and Thomas, Elements of Information Theory, 10.3.3).

    Args:
        shares: shares of the variance by axis, falling, with sum 1.
        bits: bits of a frame.

    Returns:
        The relative error, and the level as a share of the variance.
    """
    variances = shares.double()
    variances = variances[variances > 0]
    if not len(variances):
        return 0.0, 0.0
    # With the k largest axes above the water, log2 w = mean of log2 v - 2 bits / k; the right k leaves the next axis below it.
    logs = variances.log2().cumsum(0)
    count = torch.arange(1, len(variances) + 1, dtype=torch.float64)
    levels = (logs - 2 * bits) / count
    above = int((variances.log2() > levels).sum())
    level = float(2 ** levels[max(above, 1) - 1])
    return float(variances.clamp_max(level).sum() / variances.sum()), level


def label_agreement(
    codes: Integer[Tensor, "T N"], name: str, labels: Sequence[str | None], codebook_size: int
) -> LabelAgreement | None:
    """Purity and normalised mutual information of each codebook with labels; None if no frame carries one.

    Raises:
        DataError: if there is not one label, or None, for each frame.
    """
    if len(labels) != len(codes):
        raise DataError(f"expected a label or None for each of {len(codes)} frames, got {len(labels)} labels")
    names = sorted({label for label in labels if label is not None})
    if not names:
        return None
    numbers = {label: number for number, label in enumerate(names)}
    numbered = torch.tensor([-1 if label is None else numbers[label] for label in labels])
    kept = numbered >= 0
    joint = [_joint_counts(column, numbered[kept], codebook_size, len(names)) for column in codes[kept].long().T]
    total = int(kept.sum())
    label_share = joint[0].sum(0) / total
    entropy = float(torch.special.entr(label_share).sum())
    purity = [float(counts.amax(1).sum() / total) for counts in joint]
    information = [_mutual_information(counts / total) for counts in joint]
    pnmi = [value / entropy if entropy > 0 else 0.0 for value in information]
    return LabelAgreement(name, len(names), total, purity, pnmi, float(label_share.amax()))


def _joint_counts(codes: Int[Tensor, "T"], labels: Int[Tensor, "T"], num_codes: int, num_labels: int) -> Float[Tensor, "K L"]:
    counts = torch.bincount(codes * num_labels + labels, minlength=num_codes * num_labels)
    return counts.view(num_codes, num_labels).double()


def _mutual_information(joint: Float[Tensor, "K L"]) -> float:
    entropies = [float(torch.special.entr(share).sum()) for share in (joint.sum(1), joint.sum(0), joint)]
    return max(0.0, entropies[0] + entropies[1] - entropies[2])
