"""Hand-made features of windows: the baseline that every learned representation has to beat."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.lengths import CONSTANT, padding_mask


def window_statistics(
    signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"], num_bins: int = 32
) -> Float[Tensor, "B {signal.shape[1]}*{5+num_bins}+{signal.shape[1]}*({signal.shape[1]}-1)//2"]:
    """Mean, deviation, minimum, maximum, deviation of differences, log amplitudes and correlations of channels.

    A constant channel correlates with nothing.

    Args:
        signal: zero beyond each length.
        lengths: valid samples.
        num_bins: bins of the spectrum after DC, each window's own L / 2 bins averaged into so many cells.

    Returns:
        in float32: the five statistics of all channels, the upper half of their correlation matrix, then spectra.

    >>> window_statistics(torch.randn(2, 3, 100), torch.tensor([100, 80])).shape
    torch.Size([2, 114])
    """
    signal = signal.float()
    valid = ~padding_mask(lengths, signal.shape[2])[:, None]
    count = lengths[:, None].float()
    mean = signal.sum(2) / count
    centred = (signal - mean[..., None]) * valid
    deviation = (centred.square().sum(2) / count).sqrt()
    lowest = signal.masked_fill(~valid, torch.inf).amin(2)
    highest = signal.masked_fill(~valid, -torch.inf).amax(2)
    steps = signal.diff(dim=2) * valid[:, :, 1:]
    roughness = (steps.square().sum(2) / (count - 1).clamp(min=1)).sqrt()
    # Constant but for rounding: what is left of it would correlate perfectly.
    varies = (deviation > CONSTANT * mean.abs())[..., None]
    unit = torch.where(varies, centred / (deviation * count.sqrt())[..., None], 0.0)
    rows, columns = torch.triu_indices(signal.shape[1], signal.shape[1], 1)
    correlation = (unit @ unit.transpose(1, 2))[:, rows, columns]
    spectra = (
        torch.cat([_spectrum(centred[i : i + 1, :, : int(n)], num_bins) for i, n in enumerate(lengths)])
        if (lengths != signal.shape[2]).any()
        else _spectrum(centred, num_bins)
    )
    return torch.cat([mean, deviation, lowest, highest, roughness, correlation, spectra.flatten(1)], dim=1)


def _spectrum(centred: Float[Tensor, "B C L"], num_bins: int) -> Float[Tensor, "B C {num_bins}"]:
    amplitude = torch.fft.rfft(centred, norm="ortho")[:, :, 1:].abs().log1p()
    if amplitude.shape[2] == 0:
        return amplitude.new_zeros(*amplitude.shape[:2], num_bins)
    return torch.nn.functional.adaptive_avg_pool1d(amplitude, num_bins)
