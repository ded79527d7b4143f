"""What a bank of features is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.models.encoder import Encoder

Chosen = TypeVar("Chosen")  # class of options


@dataclass(frozen=True)
class NoBankOptions:
    """Options of a bank that has none."""


class FeatureBank(nn.Module, Generic[Chosen]):
    """Features of windows that are not trained: `fit` draws what is random, `forward` gives one vector a window.

    A subclass derives from `FeatureBank[MyOptions]`, says `Options = MyOptions`, a dataclass, and defines `forward`. One with
    anything random defines `fit`, one with modules of its own `build`. What `fit` finds are buffers, so that a bank can be saved.

    Attributes:
        Options: dataclass of its options.
        min_samples: samples that a window needs.
        reads: names of rows of a recipe whose encoder it takes; only a bank of a recipe has some.

    Args:
        options: an object of `Options`; None takes the defaults.

    >>> class Powers(FeatureBank):
    ...     def forward(self, signal: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    ...         return signal.square().sum(2) / lengths[:, None]
    >>> Powers()(torch.ones(2, 3, 8), torch.tensor([8, 8])).shape
    torch.Size([2, 3])
    """

    Options: ClassVar[type] = NoBankOptions
    min_samples: ClassVar[int] = 2

    def __init__(self, options: Chosen | None = None) -> None:
        super().__init__()
        self.options: Chosen = self.Options() if options is None else options

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the rows whose encoders it takes."""
        return ()

    def take(self, networks: Mapping[str, Encoder]) -> None:
        """Take the encoders of these rows."""

    def build(self, num_channels: int) -> None:
        """Make modules of the sizes that windows of so many channels ask for; their weights are drawn by `fit`, or loaded."""

    def fit(self, signal: Float[Tensor, "N C L"], lengths: Int[Tensor, "N"], seed: int) -> None:
        """Draw what is random.

        Args:
            signal: windows to learn from, zero beyond each length.
            lengths: valid samples.
            seed: seed of all draws.
        """
        self.build(signal.shape[1])

    def forward(self, signal: Float[Tensor, "B C L"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B D"]:
        """Features of windows, in float32."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(signal, lengths)")


def load_buffers(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a state whose buffers have sizes of their own, such as the number of kernels that were drawn.

    Raises:
        RuntimeError: if names differ, or sizes of parameters do.
    """
    for name, buffer in list(module.named_buffers()):
        if name in state and buffer.shape != state[name].shape:
            owner, _, last = name.rpartition(".")
            module.get_submodule(owner).register_buffer(last, torch.empty_like(state[name]))
    module.load_state_dict(dict(state))
