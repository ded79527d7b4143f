"""Balancer: a gradient that keeps each channel's share of positive values and its size within limits."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.models.training_devices.chance import happens
from audiossl.models.training_devices.schedule import Clock, Number, Schedule, value_at
from audiossl.models.training_devices.valid_frames import add_to_channels, as_frames, mean_over_frames

DEFAULT_PROBABILITY = Schedule((0, 0.5), (8000, 0.125))
GRAD_SCALE = 0.04  # rms of the added gradient, relative to the incoming one
TINY = 1e-20


class Balancer:
    """Adds a penalty's gradient in the backward pass; the forward pass is the identity (arXiv 2310.11230, section 3.2).

    For each channel, over all valid frames of the batch, with m = mean / std: the penalty is |m - clamp(m)| +
    |ln(clamp(rms) / rms)|. Its gradient is scaled to rms 0.04 and multiplied by |incoming gradient|. Limits are given as for
    normally distributed values: a share of positive values stands for an m, a mean absolute value for an rms.

    Args:
        clock: adjusted batch number.
        positive: least and greatest share of positive values.
        size: least and greatest mean absolute value.
        probability: probability of acting in a forward pass.
    """

    def __init__(
        self,
        clock: Clock,
        positive: tuple[Number, Number],
        size: tuple[Number, Number],
        probability: Number = DEFAULT_PROBABILITY,
    ) -> None:
        self.clock, self.positive, self.size, self.probability = clock, positive, size, probability

    def __call__(
        self, x: Float[Tensor, "*S"], padding: Bool[Tensor, "B T"] | None = None, channels: slice = slice(None)
    ) -> Float[Tensor, "*S"]:
        """Return `x`, (B, T, ..., D), whose gradient will be changed in `channels`."""
        batch = self.clock.batch
        if not x.requires_grad or not happens(value_at(self.probability, batch)):
            return x
        low_mean, high_mean = (share_to_mean(value_at(share, batch)) for share in self.positive)
        low_rms, high_rms = (absolute_to_rms(value_at(size, batch)) for size in self.size)
        return _Balance.apply(x, padding, channels, (low_mean, high_mean), (low_rms, high_rms))


def share_to_mean(share: float) -> float:
    """Mean / std at which so large a share of values is positive (by an approximation of the inverse error function).

    >>> round(share_to_mean(0.45), 5)
    -0.08167
    """
    if share in (0.0, 1.0):
        return math.copysign(math.inf, share - 0.5)
    return 0.8139535143 * math.atanh(2 * share - 1)


def absolute_to_rms(absolute: float) -> float:
    """Root mean square of normally distributed values with this mean absolute value."""
    return math.sqrt(math.pi / 2) * absolute


class _Balance(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        padding: Tensor | None,
        channels: slice,
        mean_limits: tuple[float, float],
        rms_limits: tuple[float, float],
    ) -> Tensor:
        ctx.save_for_backward(x, padding)
        ctx.channels, ctx.mean_limits, ctx.rms_limits = channels, mean_limits, rms_limits
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, padding = ctx.saved_tensors
        rows, weights = as_frames(x, padding, ctx.channels)
        mean = mean_over_frames(rows, weights)
        mean_square = mean_over_frames(rows.square(), weights)
        offset, slope = penalty_line(mean, mean_square, ctx.mean_limits, ctx.rms_limits)
        size = grads[0][..., ctx.channels].float().abs().flatten(0, -2)
        addend = torch.addcmul(offset, rows, slope).mul_(size)
        return add_to_channels(grads[0], addend, ctx.channels), None, None, None, None


def penalty_line(
    mean: Float[Tensor, "D"], mean_square: Float[Tensor, "D"], mean_limits: tuple[float, float], rms_limits: tuple[float, float]
) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
    """The penalty's gradient at a value x of a channel, scaled to rms 0.04, is offset + slope x; return offset and slope.

    With s = std, dm / dx is (1 - m (x - mean) / s) / s and d ln(rms) / dx is x / rms^2, both divided by the number of frames,
    which the scaling takes out.
    """
    variance, mean_square = (mean_square - mean.square()).clamp(min=TINY), mean_square.clamp(min=TINY)
    std, rms = variance.sqrt(), mean_square.sqrt()
    m = mean / std
    off_centre = (m - m.clamp(*mean_limits)).sign()
    off_size = (rms - rms.clamp(*rms_limits)).sign()
    # As level + slope (x - mean): these two add up in squares, without cancellation.
    level = off_centre / std + off_size * mean / mean_square
    slope = off_size / mean_square - off_centre * m / variance
    scale = GRAD_SCALE / (level.square() + slope.square() * variance).sqrt().clamp(min=TINY)
    slope = slope * scale
    return level * scale - slope * mean, slope
