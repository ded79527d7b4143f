"""What the loop asks of the data: batches of an epoch from any step on, and fixed ones for validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch


@runtime_checkable
class Batch(Protocol):
    """What the loop asks of a batch; the rest is between the data and the objective."""

    @property
    def seconds(self) -> float:
        """Seconds of signal without padding."""
        ...

    def to(self, device: torch.device) -> Batch:
        """Move to a device."""
        ...


@runtime_checkable
class Divisible(Batch, Protocol):
    """A batch whose loss is a sum over items, so that the loop may take it in parts where it does not fit into memory.

    Attributes:
        ids: of its items.
    """

    @property
    def ids(self) -> Sequence[object]: ...

    def halves(self) -> Sequence[Divisible]:
        """The first and the second half of the items; nothing if there is one only."""
        ...


@runtime_checkable
class Batches(Protocol):
    """Batches as a pure function of (epoch, first step, batches per step), so that to resume is to start at a later step.

    Attributes:
        failed: errors of items that could not be read so far, by id.
    """

    @property
    def failed(self) -> Mapping[str, Exception]: ...

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[Batch]:
        """Iterate over this rank's batches of an epoch from a step on.

        The ranks share the `batches_per_step` batches of each step (`World.batches_of`); what all of them see together in a step
        does not depend on their number.
        """
        ...

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of an epoch; epochs may differ by a few."""
        ...

    def fixed(self) -> Iterable[Batch]:
        """This rank's part of batches that are always the same, for validation."""
        ...


class FunctionBatches:
    """Batches of a plain function, for a loop of one's own.

    Args:
        function: (epoch, first step, batches per step) to this rank's batches of the epoch from that step on.
        steps: of an epoch, by batches per step; needed where `max_steps` of the training is None.
        fixed: batches for validation.

    >>> batches = FunctionBatches(lambda epoch, first, per_step: [], steps=lambda per_step: 4 // per_step)
    >>> list(batches(0, 2)), batches.steps_per_epoch(2), list(batches.fixed())
    ([], 2, [])
    """

    def __init__(
        self,
        function: Callable[[int, int, int], Iterable[Batch]],
        steps: Callable[[int], int] | None = None,
        fixed: Iterable[Batch] = (),
    ) -> None:
        self.function, self.steps, self.validation = function, steps, fixed
        self.failed: dict[str, Exception] = {}

    def __call__(self, epoch: int, first_step: int = 0, batches_per_step: int = 1) -> Iterator[Batch]:
        """Call the function."""
        return iter(self.function(epoch, first_step, batches_per_step))

    def steps_per_epoch(self, batches_per_step: int) -> int:
        """Steps of an epoch; 0 where that is not known."""
        return self.steps(batches_per_step) if self.steps else 0

    def fixed(self) -> Iterable[Batch]:
        """The batches for validation."""
        return self.validation


def as_batches(batches: Batches | Callable[[int, int, int], Iterable[Batch]]) -> Batches:
    """Batches as they are, or those of a plain function."""
    return batches if isinstance(batches, Batches) else FunctionBatches(batches)
