"""What an objective returns: a sum to back-propagate, and what to divide it by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Ratio:
    """A mean kept as a sum and a count, so that means over batches, accumulation and ranks come out exact.

    Attributes:
        total: sum of what is averaged.
        count: number of values in it.

    >>> Ratio(3, 4).mean()
    0.75
    """

    total: int | float | Float[Tensor, ""]
    count: int | float | Float[Tensor, ""]

    def mean(self) -> float:
        """The mean; NaN where nothing was counted."""
        return float(self.total) / count if (count := float(self.count)) else float("nan")


@dataclass
class Loss:
    """The loss of one batch as a **sum**, with the weight that turns it into a mean.

    The loop back-propagates `total` of every micro-batch and divides the gradient once by the `weight` summed over accumulation
    and ranks. So the gradient is that of the whole batch's mean loss, however the batch was cut into pieces.

    Attributes:
        total: sum over frames (or items) of their loss; carries the graph.
        weight: divisor that makes a mean of `total`: frames, counted with their weight in `total`; a tensor where only the
            device knows it.
        parts: detached metrics as sums and counts, by name.

    >>> import torch
    >>> loss = Loss(torch.tensor(6.0), 4.0, {"accuracy": Ratio(3, 4)})
    >>> loss.mean(), loss.means()
    (1.5, {'accuracy': 0.75})
    """

    total: Float[Tensor, ""]
    weight: float | Float[Tensor, ""]
    parts: Mapping[str, Ratio] = field(default_factory=dict)

    def mean(self) -> float:
        """Mean loss of this batch; NaN where nothing was counted."""
        return Ratio(float(self.total.detach()), self.weight).mean()

    def means(self) -> dict[str, float]:
        """Mean of every part, by name."""
        return {name: part.mean() for name, part in self.parts.items()}
