"""Score penalty: a safeguard against attention scores beyond any sensible size."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from audiossl.models.training_devices.chance import happens

LIMIT, WEIGHT, PROBABILITY = 25.0, 1e-4, 0.1


def penalise_large_scores(
    scores: Float[Tensor, "B H T T"], padding: Bool[Tensor, "B T"] | None, probability: float = PROBABILITY
) -> Float[Tensor, "B H T T"]:
    """With some probability add 1e-4 * sum(max(0, |score| - 25)) over valid queries to the loss, by the gradient.

    To come after padded keys were filled, so that they get no gradient. The weight is that of a loss summed over frames, and
    is not multiplied by an fp16 loss scale; both are so in the reference.
    """
    if not scores.requires_grad or not happens(probability):
        return scores
    return _Penalty.apply(scores, padding)


class _Penalty(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, padding: Tensor | None) -> Tensor:
        ctx.save_for_backward(scores, padding)
        return scores.view_as(scores)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        scores, padding = ctx.saved_tensors
        excess = scores.sign() * (scores.abs() > LIMIT)
        if padding is not None:
            excess = excess.masked_fill_(padding[:, None, :, None], 0.0)
        return torch.add(grads[0], excess, alpha=WEIGHT), None
