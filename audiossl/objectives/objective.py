"""What the training loop asks of an objective, and what an objective asks of its batches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto
from typing import ClassVar, Generic, TypeVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.objectives.loss import Loss

Shown = tuple[Float[Tensor, "F D"], dict[str, Int[Tensor, "F _"]]]
E = TypeVar("E")  # encoder
B = TypeVar("B")  # batch


class Needs(Flag):
    """What a batch must bring for an objective, besides one view of each item.

    Attributes:
        VIEW: nothing else; every batch brings a signal with its lengths.
        NEIGHBOUR: for each item another of the same recording, near in time, as `partner`.
        PARTNER: for each item another of the same bag (a subject, a recording), as `partner`.
        CROPS: two crops of each item that overlap, with their offsets.
        LABELS: labels for a part of the items.
        DENSE_ENCODER: a frozen encoder whose frames are compared with those that are trained.

    >>> Needs.NEIGHBOUR | Needs.LABELS in Needs.LABELS | Needs.NEIGHBOUR
    True
    >>> (Needs.PARTNER | Needs.LABELS).in_words()
    'a partner from the same bag and labels for a part of the items'
    """

    VIEW = 0
    NEIGHBOUR = auto()
    PARTNER = auto()
    CROPS = auto()
    LABELS = auto()
    DENSE_ENCODER = auto()

    def in_words(self) -> str:
        """Describe what is needed."""
        return " and ".join(_IN_WORDS[need] for need in self) or "one view"


_IN_WORDS = {
    Needs.NEIGHBOUR: "a neighbour in time",
    Needs.PARTNER: "a partner from the same bag",
    Needs.CROPS: "overlapping crops with their offsets",
    Needs.LABELS: "labels for a part of the items",
    Needs.DENSE_ENCODER: "a frozen dense encoder",
}


@dataclass
class NoOptions:
    """Options of a kind that has none."""


class Objective(nn.Module, Generic[E, B]):
    """A loss around an encoder; the loop trains its parameters, and calls its hooks, which do nothing unless they are overridden.

    A subclass is made as `Objective(encoder, config)`, sets `encoder` (what a run is there for) and defines
    `forward(batch) -> Loss`. Where its two types matter, it derives from `Objective[Encoder, WindowBatch]`.

    Attributes:
        Config: dataclass of its options.
        needs: what a batch must bring; batches that cannot are refused before anything is trained.
        encoder: of the signal, which is kept.

    >>> import torch
    >>> class Reconstruction(Objective[nn.Module, torch.Tensor]):
    ...     def __init__(self, encoder: nn.Module, config: NoOptions | None = None) -> None:
    ...         super().__init__()
    ...         self.encoder = encoder
    ...
    ...     def forward(self, batch: torch.Tensor) -> Loss:
    ...         return Loss((self.encoder(batch) - batch).square().sum(), float(batch.numel()))
    >>> Reconstruction(nn.Identity())(torch.ones(2, 3)).mean()
    0.0
    """

    Config: ClassVar[type] = NoOptions
    needs: ClassVar[Needs] = Needs.VIEW
    encoder: E

    def forward(self, batch: B) -> Loss:
        """Compute the loss of a batch, as a sum with its weight."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(batch) -> Loss")

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

    def represent(self, batch: B) -> Shown | None:
        """Show valid frames of a batch as a list, and the codes that are predicted, by stream, for measures of health.

        None, the default, shows nothing.
        """
        return None


def check_needs(name: str, needs: Needs, given: Needs, batches: str) -> None:
    """Compare what an objective needs with what batches bring.

    Args:
        name: of the objective, for messages.
        needs: of it.
        given: by the batches.
        batches: what they are, for messages: "batches of windows".

    Raises:
        ConfigError: naming each need that they do not meet.

    >>> check_needs("mine", Needs.LABELS, Needs.VIEW, "crops")
    Traceback (most recent call last):
        ...
    audiossl.errors.ConfigError: mine needs labels for a part of the items, which crops do not bring; they bring one view
    """
    if lacking := needs & ~given:
        raise ConfigError(f"{name} needs {lacking.in_words()}, which {batches} do not bring; they bring {given.in_words()}")
