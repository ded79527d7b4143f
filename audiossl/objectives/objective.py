"""What the training loop asks of an objective."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

Shown = tuple[Float[Tensor, "F D"], dict[str, Int[Tensor, "F _"]]]


class Objective(nn.Module):
    """A loss around an encoder; the loop trains its parameters, and calls its hooks, which do nothing unless they are overridden.

    A subclass sets `encoder` (what a run is there for) and defines `forward(batch) -> Loss`.

    >>> import torch
    >>> from audiossl.objectives.loss import Loss
    >>> class Reconstruction(Objective):
    ...     def __init__(self, encoder: nn.Module) -> None:
    ...         super().__init__()
    ...         self.encoder = encoder
    ...
    ...     def forward(self, batch: torch.Tensor) -> Loss:
    ...         return Loss((self.encoder(batch) - batch).square().sum(), float(batch.numel()))
    >>> Reconstruction(nn.Identity())(torch.ones(2, 3)).mean()
    0.0
    """

    encoder: Any

    def before_step(self, step: int, seconds: float) -> None:
        """Set what changes during a run, such as the schedules inside a model.

        Args:
            step: optimiser steps made so far.
            seconds: of signal seen so far, over all ranks.
        """

    def after_step(self, step: int) -> None:
        """Follow an update of the weights, as moving averages do.

        Args:
            step: optimiser steps made, this one included.
        """

    def represent(self, batch: Any) -> Shown | None:
        """Show valid frames of a batch as a list, and the codes that are predicted, by stream, for measures of health.

        None, the default, shows nothing.
        """
        return None
