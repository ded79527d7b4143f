"""What vectors have in common, taken out before they are multiplied.

A squared distance by products, |c|^2 - 2 c.x, is the small difference of large numbers where all vectors lie far from zero: at a
mean of 10^4 times the spread float32 has no digit left for it. A common shift changes no distance, so it is taken out first.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 8192  # vectors in double precision at once
STEP = 8.0  # the offset is a multiple of this many spreads, up to a power of two; below half of it nothing is taken out


def common_offset(vectors: Float[Tensor, "*N T D"]) -> Float[Tensor, "*N D"]:
    """Find the common offset of vectors: their mean, rounded to a power of two between 8 and 16 times their spread.

    Rounded so, the offset can be subtracted without any rounding error, and vectors whose mean is within some four times their
    spread have the offset 0: they are left as they are, bit for bit. Shifting all vectors by a multiple of that power of two
    shifts the offset by just as much.

    Args:
        vectors: (T, D), or a stack of such sets.

    Returns:
        float32, on the device of the vectors; zero where all vectors are the same.
    """
    count = vectors.shape[-2]
    blocks = vectors.split(BLOCK, dim=-2)
    mean = torch.stack([block.double().sum(-2) for block in blocks]).sum(0) / count
    squares = torch.stack([(block.double() - mean.unsqueeze(-2)).square().sum(-2) for block in blocks]).sum(0)
    spread = (squares / count).mean(-1, keepdim=True).sqrt()
    step = torch.exp2((STEP * spread).log2().ceil())
    # Adding 0 turns -0 into 0, so that quantisers without an offset have the same bytes, and so the same id, in any case.
    return torch.where(spread > 0, (mean / step).round() * step, 0.0).float() + 0.0
