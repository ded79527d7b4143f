"""A running average of all weights since the start, from which the average over any interval can be had."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn

from audiossl.training.sharing import part_like, whole


class AverageState(TypedDict):
    """What a checkpoint keeps of an average: the step that it reaches, and the values by name."""

    step: int
    values: dict[str, Tensor]


class ModelAverage:
    """Average of the floating-point state of a model over steps, in float64 (icefall's averaged model).

    Args:
        module: the model to follow.
        every: steps between updates.
    """

    def __init__(self, module: nn.Module, every: int) -> None:
        self.every = every
        self.step = 0
        self.values = {name: torch.zeros(value.shape, dtype=torch.float64) for name, value in _floats(module).items()}

    def update(self, module: nn.Module, step: int) -> None:
        """Take in the state after `step` steps, if a multiple of `every`: avg * (1 - every / step) + state * every / step."""
        if step % self.every:
            return
        share = self.every / step
        for name, value in _floats(module).items():
            self.values[name].mul_(1 - share).add_(whole(value.detach()).cpu().double(), alpha=share)
        self.step = step

    def state_dict(self) -> AverageState:
        """The average and the step that it reaches."""
        return {"step": self.step, "values": self.values}

    def load_state_dict(self, state: AverageState) -> None:
        """Resume from a saved average."""
        self.step, self.values = state["step"], state["values"]

    def since(self, earlier: AverageState) -> dict[str, Tensor]:
        """Average over the steps after an earlier `state_dict()` only; all steps where nothing was added since."""
        steps = self.step - earlier["step"]
        if steps <= 0:
            return self.values
        return {
            name: (value * self.step - earlier["values"][name] * earlier["step"]) / steps for name, value in self.values.items()
        }


@torch.no_grad()
def load_average(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Put averaged values into a model.

    Args:
        module: model whose floating-point state is replaced.
        values: averages by name, as `ModelAverage.values` holds them.

    >>> module = nn.Linear(1, 1)
    >>> load_average(module, {"weight": torch.ones(1, 1), "bias": torch.zeros(1)})
    >>> module(torch.tensor([2.0])).item()
    2.0
    """
    for name, value in _floats(module).items():
        value.copy_(part_like(value, values[name]))


def _floats(module: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in module.state_dict().items() if value.is_floating_point()}
