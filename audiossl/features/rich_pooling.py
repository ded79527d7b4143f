"""Four moments of frames in place of their mean."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.lengths import padding_mask


def rich_pooling(x: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B {4*x.shape[2]}"]:
    """Mean, deviation, maximum and share of positive values of every dimension over valid frames, in float32.

    The share of positive values is what ROCKET and MiniRocket read from their convolutions (arXiv 2012.08791, section 3).

    Args:
        x: frames of a batch; those beyond each length do not count.
        lengths: valid frames, at least one each.

    >>> ramp = torch.tensor([[-1.0, 1.0, 3.0, 100.0]]).reshape(1, 4, 1)
    >>> [round(value, 3) for value in rich_pooling(ramp, torch.tensor([3]))[0].tolist()]
    [1.0, 1.633, 3.0, 0.667]
    """
    padding = padding_mask(lengths, x.shape[1])[..., None]
    count = lengths.clamp(min=1)[:, None]
    x = x.float().masked_fill(padding, 0.0)
    mean = x.sum(1) / count
    deviation = ((x - mean[:, None]).masked_fill(padding, 0.0).square().sum(1) / count).sqrt()
    highest = x.masked_fill(padding, -torch.inf).amax(1)
    positive = (x > 0).sum(1) / count  # padding was set to zero
    return torch.cat([mean, deviation, highest, positive], dim=1)
