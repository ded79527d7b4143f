"""Coin flips of the devices, from torch's global CPU state, which the training loop seeds for each step."""

from __future__ import annotations

import torch


def happens(probability: float) -> bool:
    """True with this probability; nothing is drawn where the answer is sure."""
    if probability <= 0:
        return False
    return probability >= 1 or float(torch.rand((), device="cpu")) < probability
