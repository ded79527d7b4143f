"""Distribution alignment: predictions by which all classes are equally frequent (ReMixMatch, arXiv 1911.09785, section 3.1)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from audiossl.objectives.contrast import gather


class ClassAlignment(nn.Module):
    """Probabilities divided by their running mean, and scaled to a sum of 1 again.

    The mean starts uniform, which leaves probabilities as they are. It is saved with the weights.

    Args:
        num_classes: K.
        momentum: share of the running mean that is kept in each step.

    >>> alignment = ClassAlignment(2, momentum=0.5)
    >>> alignment.follow(torch.tensor([[1.0, 0.0], [0.75, 0.25]]))
    >>> alignment.mean.tolist(), alignment(torch.tensor([0.6875, 0.3125])).tolist()
    ([0.6875, 0.3125], [0.5, 0.5])
    """

    mean: Tensor

    def __init__(self, num_classes: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.full((num_classes,), 1.0 / num_classes))

    def follow(self, probabilities: Float[Tensor, "N K"]) -> None:
        """Move the running mean towards that of some predictions."""
        if len(probabilities):
            self.mean.lerp_(probabilities.detach().mean(0), 1 - self.momentum)

    def forward(self, probabilities: Float[Tensor, "*B K"]) -> Float[Tensor, "*B K"]:
        """Align probabilities."""
        scaled = probabilities / (self.mean * len(self.mean)).clamp(min=1e-6)
        return scaled / scaled.sum(-1, keepdim=True)


def of_all_ranks(probabilities: Float[Tensor, "B T K"], valid: Bool[Tensor, "B T"]) -> Float[Tensor, "N K"]:
    """The valid rows of all ranks, in training.

    >>> of_all_ranks(torch.tensor([[[0.5, 0.5], [0.9, 0.1]]]), torch.tensor([[False, True]]))
    tensor([[0.9000, 0.1000]])
    """
    rows = gather(torch.cat([probabilities, valid[..., None].to(probabilities)], 2).flatten(0, 1))
    return rows[rows[:, -1] > 0, :-1]
