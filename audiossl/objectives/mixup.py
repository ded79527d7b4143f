"""Mixup: a signal plus another of its batch, with the tags of both (arXiv 1710.09412; on waveforms as in arXiv 2104.01778)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.lengths import padding_mask
from audiossl.seeds import derive_seed


def mix_up(
    signal: Float[Tensor, "B C S"],
    lengths: Int[Tensor, "B"],
    targets: Float[Tensor, "B K"],
    ids: Sequence[str],
    seed: int,
    epoch: int,
    probability: float,
    alpha: float = 10.0,
) -> tuple[Float[Tensor, "B C S"], Float[Tensor, "B K"]]:
    """Replace items by `share * own + (1 - share) * other`, and their targets alike, with `share` from Beta(alpha, alpha).

    Whether an item is mixed, the share and the place of the other come from (seed, epoch, item id); who stands at that place is
    up to the batch. The item keeps its length: a longer partner is cut, a shorter one ends earlier.

    Args:
        signal: zero beyond each length.
        lengths: valid samples.
        targets: share of each tag.
        ids: ids of the items.
        seed, epoch: the rest of the key.
        probability: probability that an item is mixed; a batch of one item has none to mix with.
        alpha: the larger, the closer to even the mixtures.
    """
    if len(ids) < 2 or probability <= 0:
        return signal, targets
    partners, shares = [], []
    for row, item in enumerate(ids):
        generator = np.random.default_rng(derive_seed(seed, epoch, item, "mixup"))
        is_mixed, share = generator.random() < probability, generator.beta(alpha, alpha)
        partners.append((row + int(generator.integers(1, len(ids)))) % len(ids))
        shares.append(share if is_mixed else 1.0)
    share = torch.tensor(shares, dtype=torch.float32, device=signal.device)
    mixed = share[:, None, None] * signal + (1 - share[:, None, None]) * signal[partners]
    mixed = mixed.masked_fill(padding_mask(lengths, signal.shape[2])[:, None], 0.0)
    return mixed, share[:, None] * targets + (1 - share[:, None]) * targets[partners]


def draw_beta(beta: float, generator: torch.Generator) -> float:
    """Draw a share from Beta(beta, beta) by Jöhnk's method, which needs uniform draws alone; it suits small parameters.

    >>> 0 <= draw_beta(0.75, torch.Generator().manual_seed(0)) <= 1
    True
    """
    while True:
        first, second = (torch.rand(2, generator=generator, dtype=torch.float64) ** (1 / beta)).tolist()
        if 0 < first + second <= 1:
            return first / (first + second)
