"""Whiten: a gradient that keeps the covariance of channels from collapsing onto few directions."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.models.training_devices.chance import happens
from audiossl.models.training_devices.schedule import Clock, Number, value_at
from audiossl.models.training_devices.valid_frames import add_to_channels, as_frames, mean_over_frames

TINY = 1e-20


class Whiten:
    """Adds the gradient of the whitening metric where that is above a limit; the forward pass is the identity.

    The added gradient has `grad_scale` times the norm of the incoming one (arXiv 2310.11230, section 3.3). The reference looks
    with probability 0.25 while the limit is violated and 0.025 otherwise, to save time. Here it always looks with 0.25, which
    changes the gradient as often and needs no memory of earlier steps that a resumed run would lack.

    Args:
        clock: adjusted batch number.
        limit: metric above which the gradient is added.
        grad_scale: norm of the added gradient relative to the incoming one.
        groups: groups of channels, each with its covariance.
        probability: probability of acting in a forward pass.
    """

    def __init__(
        self, clock: Clock, limit: Number, grad_scale: float = 0.01, groups: int = 1, probability: Number = 0.25
    ) -> None:
        self.clock, self.limit, self.grad_scale, self.groups, self.probability = clock, limit, grad_scale, groups, probability

    def __call__(
        self, x: Float[Tensor, "*S"], padding: Bool[Tensor, "B T"] | None = None, channels: slice = slice(None)
    ) -> Float[Tensor, "*S"]:
        """Return `x`, (B, T, ..., D), whose gradient will be changed in `channels`."""
        if not x.requires_grad or not happens(value_at(self.probability, self.clock.batch)):
            return x
        return _Whitening.apply(x, padding, channels, self.groups, value_at(self.limit, self.clock.batch), self.grad_scale)


class _Whitening(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, padding: Tensor | None, channels: slice, groups: int, limit: float, grad_scale: float
    ) -> Tensor:
        ctx.save_for_backward(x, padding)
        ctx.channels, ctx.groups, ctx.limit, ctx.grad_scale = channels, groups, limit, grad_scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, padding = ctx.saved_tensors
        centred, covariance = centred_covariance(*as_frames(x, padding, ctx.channels), ctx.groups)
        metric, ridge = whitening_metric(covariance)
        grad = grads[0]
        # The metric's gradient is proportional to this; its size does not matter. Below the limit it is multiplied by 0: whether
        # it is there to be added is known on the device only.
        penalty = (centred @ (covariance - ridge * torch.eye(covariance.shape[1], device=x.device))).transpose(0, 1).flatten(1)
        size = torch.linalg.vector_norm(grad[..., ctx.channels].float())
        scale = ctx.grad_scale * size / (torch.linalg.vector_norm(penalty) + TINY)
        penalty = penalty * scale.where(metric > ctx.limit, 0.0)
        return add_to_channels(grad, penalty, ctx.channels), None, None, None, None, None


def centred_covariance(
    rows: Float[Tensor, "T D"], weights: Float[Tensor, "T"] | None, groups: int
) -> tuple[Float[Tensor, "G T K"], Float[Tensor, "G K K"]]:
    """Frames minus their mean, by group of channels, padded ones zero; and their covariance."""
    centred = rows - mean_over_frames(rows, weights)
    count = float(len(rows))
    if weights is not None:
        centred, count = centred * weights[:, None], weights.sum().clamp(min=1.0)
    centred = centred.unflatten(1, (groups, -1)).transpose(0, 1)
    return centred, centred.transpose(1, 2) @ centred / count


def whitening_metric(covariance: Float[Tensor, "G K K"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean diagonal of C^2 over the squared mean diagonal of C, 1 for white channels; and the ratio of both diagonals.

    Means are over all groups, as in the reference.
    """
    trace = covariance.diagonal(dim1=1, dim2=2).mean()
    square_trace = covariance.square().sum() / covariance[..., 0].numel()
    return square_trace / (trace.square() + TINY), square_trace / (trace + TINY)
