"""Limits on parameters: gradients that would push a value further outside its range are turned round."""

from __future__ import annotations

import copy
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from audiossl.models.training_devices.chance import happens
from audiossl.models.training_devices.schedule import Clock, Number, value_at

PROBABILITY = 0.6


class ParameterLimit:
    """Acts on the gradient of one parameter while its module is training.

    Args:
        module: owner of the parameter.
        name: name of the parameter in its module.
        low, high: its range.
        clock: adjusted batch number.
    """

    def __init__(self, module: nn.Module, name: str, low: Number, high: Number, clock: Clock) -> None:
        self.module, self.name, self.parameter = module, name, module.get_parameter(name)
        self.low, self.high, self.clock = low, high, clock
        self.acts = False
        self.handle: Any = self.parameter.register_hook(self._limit)

    def draw(self) -> None:
        """Decide whether to act in the next backward pass; now, since backward passes may run in threads of their own."""
        self.acts = happens(PROBABILITY)

    def remove(self) -> None:
        """Leave the parameter alone from now on."""
        self.handle.remove()

    def __deepcopy__(self, memo: dict[int, object]) -> ParameterLimit:
        """Limit the copied parameter, which does not inherit the hook."""
        module, clock = copy.deepcopy(self.module, memo), copy.deepcopy(self.clock, memo)
        return ParameterLimit(module, self.name, self.low, self.high, clock)

    def _limit(self, grad: Tensor) -> Tensor | None:
        if not (self.acts and self.module.training):
            return None
        batch = self.clock.batch
        return turn_inwards(grad, self.parameter.detach(), value_at(self.low, batch), value_at(self.high, batch))


def turn_inwards(grad: Float[Tensor, "*S"], value: Float[Tensor, "*S"], low: float, high: float) -> Float[Tensor, "*S"]:
    """Turn the sign of a gradient where a step against it would lead further outside [low, high]."""
    outwards = ((value < low) & (grad > 0)) | ((value > high) & (grad < 0))
    return grad.where(~outwards, -grad)
