"""Scale of the loss in fp16, so that small gradients do not vanish; as a pure function of what the gradients were like."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError

GROWTH_STEPS = 2000  # finite steps in a row after which the scale doubles, whatever it is
SMALL, TOO_SMALL = 0.01, 1e-5


@dataclass
class LossScale:
    """Multiplies the loss; gradients are divided by `value` before they are used. Off, it stays 1.

    Starts at 1, because losses are sums over frames. Halved by a gradient that is not finite. Every 100 steps it doubles if it
    is below 8, every 400 if below 32, and after 2,000 finite steps in any case: the rule of SPEAR's code (arXiv 2510.25955).

    Attributes:
        enabled: whether training runs in fp16.
        value: the scale.
        finite_steps: steps since the scale last changed by itself.
    """

    enabled: bool = False
    value: float = 1.0
    finite_steps: int = 0

    def apply(self, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """The loss to back-propagate."""
        return loss * self.value if self.enabled else loss

    def update(self, step: int, finite: bool) -> str | None:
        """Adapt the scale after the step that made `step` steps; return a warning where it has become small.

        Raises:
            DataError: if the scale is below 1e-5: gradients are never finite.
        """
        if not self.enabled:
            return None
        self.finite_steps = self.finite_steps + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.finite_steps == GROWTH_STEPS:
            self.value, self.finite_steps = self.value * 2, 0
        if step % 100 != 0:
            return self._warning() if not finite else None
        if self.value < 8 or (self.value < 32 and step % 400 == 0):
            self.value *= 2
        return self._warning()

    def _warning(self) -> str | None:
        if self.value < TOO_SMALL:
            raise DataError(
                f"the fp16 loss scale fell to {self.value:.1e}: gradients are not finite at any scale. "
                "Use training.precision=bf16 or float32, or lower training.lr."
            )
        return f"the fp16 loss scale is small: {self.value:.1e}" if self.value < SMALL else None

    def state_dict(self) -> dict[str, float | int]:
        """What a checkpoint holds."""
        return {"value": self.value, "finite_steps": self.finite_steps}

    def load_state_dict(self, state: dict[str, float | int]) -> None:
        """Resume from a checkpoint."""
        self.value, self.finite_steps = float(state["value"]), int(state["finite_steps"])
