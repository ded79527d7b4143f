"""Where something happens in a signal: short-time energy against its mean."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from audiossl.lengths import padding_mask


def activity_mask(
    signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"], smoothing: int, threshold: float = 1.0
) -> Bool[Tensor, "B L"]:
    """Mark samples whose short-time energy is at least `threshold` times the mean over their signal; padding is not marked.

    The energy is that of the deviation from each channel's mean, summed over channels and averaged over `smoothing` samples
    around each, as far as there are any. A constant signal is marked as a whole.

    Args:
        signal: signals of any unit.
        lengths: valid samples.
        smoothing: samples of the average.
        threshold: factor on the mean energy.

    >>> import torch
    >>> burst = torch.zeros(1, 1, 8)
    >>> burst[..., 4:6] = torch.tensor([1.0, -1.0])
    >>> activity_mask(burst, torch.tensor([8]), smoothing=1)[0].nonzero()[:, 0].tolist()
    [4, 5]
    """
    valid = ~padding_mask(lengths, signal.shape[2])
    count = lengths.clamp(min=1)[:, None].float()
    centred = signal.float() - (signal.float() * valid[:, None]).sum(2, keepdim=True) / count[:, None]
    energy = centred.square().sum(1) * valid
    sides = (smoothing // 2, (smoothing - 1) // 2)
    sums = [functional.avg_pool1d(functional.pad(x, sides), smoothing, 1) for x in (energy, valid.float())]
    smooth = sums[0] / sums[1].clamp(min=1e-12)
    mean = (smooth * valid).sum(1, keepdim=True) / count
    return (smooth >= threshold * mean * (1 - 1e-6)) & valid
