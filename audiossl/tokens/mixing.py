"""Token mixing: the targets of two overlapping utterances (SPEAR, arXiv 2510.25955)."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from audiossl.tokens.alignment import IGNORE


def mix_tokens(
    first: Shaped[Tensor, "T1 N"],
    second: Shaped[Tensor, "T2 N"],
    offset: int,
    share: float,
    num_frames: int,
    generator: torch.Generator,
) -> Int[Tensor, "{num_frames} N"]:
    """Take each code of an overlap from the second utterance with the second's share of the power, else from the first.

    The draw is independent for every frame and codebook. Where one utterance is alone, its codes stand; where none is, -100.

    Args:
        first, second: codes of any integer type.
        offset: frames by which the second starts later.
        share: share of the second in the power of the mixture, from 0 to 1.
        num_frames: frames of the mixture.
        generator: generator of the draw.
    """
    aligned = torch.full((2, num_frames, first.shape[1]), IGNORE)
    for place, codes, start in ((0, first, 0), (1, second, offset)):
        kept = codes[: max(0, num_frames - start)].to(torch.int64)
        aligned[place, start : start + len(kept)] = kept
    one, other = aligned
    take_other = torch.rand(one.shape, generator=generator) < share
    both = (one != IGNORE) & (other != IGNORE)
    return torch.where(both, torch.where(take_other, other, one), torch.maximum(one, other))
