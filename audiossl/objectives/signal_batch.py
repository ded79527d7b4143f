"""What batches of signals have in common: the signals, and the key of their random draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from audiossl.lengths import known_on_host, on_host, told

B = TypeVar("B", bound="SignalBatch")
D = TypeVar("D", bound="DivisibleBatch")


class SignalBatch:
    """The base of dataclasses of signals and whatever belongs to each.

    Attributes:
        signal: (B, C, S), zero beyond each length.
        lengths: valid samples.
        ids: ids of the items; masks and augmentations are drawn from (seed, epoch, id).
        rate: Hz.
        epoch, seed: the rest of the key.
    """

    signal: Float[Tensor, "B C S"]
    lengths: Int[Tensor, "B"]
    ids: Sequence[str]
    rate: float
    epoch: int
    seed: int

    @property
    def seconds(self) -> float:
        """Seconds of signal without padding."""
        return float(sum(on_host(self.lengths))) / self.rate

    def to(self: B, device: torch.device | str) -> B:
        """Move the tensors to a device."""
        return self._moved(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self: B) -> B:
        """Copy the tensors to memory that a GPU reads while the host goes on."""
        return self._moved(Tensor.pin_memory)

    def _moved(self: B, move: Callable[[Tensor], Tensor]) -> B:
        """The same numbers elsewhere; what the host knows of lengths stays known."""

        def moved(tensor: Tensor) -> Tensor:
            known, there = known_on_host(tensor), move(tensor)
            return there if known is None else told(there, known)

        return self._changed(moved, lambda sequence: sequence)

    def _changed(self: B, of_tensor: Any, of_sequence: Any) -> B:
        """The same batch with a function applied to every tensor, and one to every sequence, which has an entry per item."""

        def change(value: object) -> object:
            if isinstance(value, Tensor):
                return of_tensor(value)
            if isinstance(value, Mapping):
                return {name: of_tensor(tensor) for name, tensor in value.items()}
            if is_dataclass(value):  # such as the crops of each item
                return replace(cast(Any, value), **{item.name: change(getattr(value, item.name)) for item in fields(value)})
            return of_sequence(value) if isinstance(value, Sequence) else value

        return cast(B, change(self))


class DivisibleBatch(SignalBatch):
    """A batch whose loss is a sum over items, so that it may be computed in parts."""

    def halves(self: D) -> list[D]:
        """The first and the second half of the items; nothing if there is one only."""
        if len(self.ids) < 2:
            return []
        middle = len(self.ids) // 2
        return [self._part(slice(middle)), self._part(slice(middle, None))]

    def _part(self: D, part: slice) -> D:
        return self._changed(lambda tensor: tensor[part], lambda sequence: sequence[part])
