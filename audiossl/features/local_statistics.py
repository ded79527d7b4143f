"""Hand-made frames: what a signal is like around each moment, the dense representation that needs no trained network."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor


def local_statistics(
    signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"], hop: int
) -> tuple[Float[Tensor, "B T {3*signal.shape[1]}"], Int[Tensor, "B"]]:
    """Mean, deviation and deviation of differences of every channel, around each moment.

    Frame k is of the samples from `k * hop` to `(k + 1) * hop` and half a hop on either side, as far as there are any. The
    deviations are given as square roots, so that another unit of the signal only scales the frames.

    Args:
        signal: zero beyond each length.
        lengths: valid samples.
        hop: samples from one frame to the next.

    Returns:
        frames in float32, zero beyond the number of each, and these numbers, at least 1.

    >>> frames, counts = local_statistics(torch.randn(2, 3, 100), torch.tensor([100, 60]), hop=20)
    >>> frames.shape, counts.tolist()
    (torch.Size([2, 5, 9]), [5, 3])
    """
    counts = (lengths // hop).clamp(min=1)
    frame = torch.arange(max(1, signal.shape[2] // hop), device=signal.device)
    first = (frame * hop - hop // 2).clamp(min=0)
    last = torch.minimum((frame + 1) * hop + hop // 2, lengths[:, None])  # (B, T)
    first = torch.minimum(first.expand_as(last), last)
    x = signal.double()
    mean, deviation = _moments(x, first, last)
    steps = torch.zeros_like(x)
    steps[..., 1:] = x.diff(dim=2)
    _, roughness = _moments(steps, first.clamp(min=1), last)
    frames = torch.cat([mean, deviation.sqrt(), roughness.sqrt()], dim=1).float().transpose(1, 2)
    return frames * (frame < counts[:, None])[..., None], counts


def _moments(
    x: Float64[Tensor, "B C L"], first: Int[Tensor, "B T"], last: Int[Tensor, "B T"]
) -> tuple[Float64[Tensor, "B C T"], Float64[Tensor, "B C T"]]:
    """Mean and deviation of the samples from `first` to before `last`, by differences of running sums."""
    count = (last - first).clamp(min=1)[:, None]
    sums = []
    for values in (x, x.square()):
        running = torch.nn.functional.pad(values.cumsum(2), (1, 0))
        places = [place[:, None].expand(-1, x.shape[1], -1) for place in (first.clamp(max=x.shape[2]), last)]
        sums.append((running.gather(2, places[1]) - running.gather(2, torch.minimum(*places))) / count)
    mean, square = sums
    return mean, (square - mean.square()).clamp(min=0).sqrt()
