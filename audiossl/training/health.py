"""Label-free health of a representation: is it collapsing, and how many directions and codes does it use?"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.objectives.objective import Objective
from audiossl.training.batches import Batch


def rankme(frames: Float[Tensor, "F D"], eps: float = 1e-7) -> float:
    """Effective rank: exp of the entropy of the singular values (RankMe, arXiv 2210.02885, eq. 1-2); between 1 and min(F, D).

    The frames are not centred, as in the paper. Centring would cap the rank at F - 1 instead of F, a bias that shows with few
    frames, and would hide the most common way to fail, in which all frames drift to one common vector: uncentred, that is rank 1.
    Values are comparable only at equal numbers of frames, well above D. Rank follows training within a layer; it does not choose
    the best layer (arXiv 2409.10787).
    """
    singular = torch.linalg.svdvals(frames.double())
    if not float(singular.sum()) > 0:
        return 0.0
    share = singular / singular.sum() + eps
    return float(torch.exp(-(share * share.log()).sum()))


def unit_std(frames: Float[Tensor, "F D"]) -> float:
    """Standard deviation of the frames' unit vectors, times sqrt(D): 1 where they point everywhere, 0 where all are the same."""
    unit = torch.nn.functional.normalize(frames.double(), dim=-1)
    return float(unit.std(dim=0, correction=0).square().mean().sqrt() * frames.shape[1] ** 0.5)


def code_perplexity(codes: Int[Tensor, "F N"]) -> Float[Tensor, "N"]:
    """Codes in use, exp of the entropy of their histogram, for each codebook; negative codes are left out."""
    perplexities = []
    for column in codes.long().unbind(dim=1):
        counts = torch.bincount(column[column >= 0]).double()
        share = counts[counts > 0] / counts.sum()
        perplexities.append(torch.exp(-(share * share.log()).sum()))
    return torch.stack(perplexities).float()


def measure_health(objective: Objective, batches: Iterable[Batch], max_frames: int) -> dict[str, float]:
    """RankMe and spread of the first `max_frames` frames of some batches, and mean perplexity of the codes predicted for them.

    Nothing is measured of an objective that shows no frames.
    """
    frames: list[Tensor] = []
    codes: dict[str, list[Tensor]] = {}
    count = 0
    for batch in batches:
        shown = objective.represent(batch)
        if shown is None:
            return {}
        new_frames, new_codes = shown
        frames.append(new_frames.cpu())
        for name, stream in new_codes.items():
            codes.setdefault(name, []).append(stream.cpu())
        count += len(new_frames)
        if count >= max_frames:
            break
    if not count:
        return {}
    sample = torch.cat(frames)[:max_frames]
    measures = {"rankme": rankme(sample), "unit_std": unit_std(sample), "health_frames": float(len(sample))}
    for name, stream in codes.items():
        measures[f"{name}_predicted_perplexity"] = float(code_perplexity(torch.cat(stream)[:max_frames]).mean())
    return measures
