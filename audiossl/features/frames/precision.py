"""The floating point type of transforms."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def full_precision(signal: Shaped[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Return float32 and float64 as they are and everything else in float32: FFTs know no shorter type."""
    return signal if signal.dtype in (torch.float32, torch.float64) else signal.float()
