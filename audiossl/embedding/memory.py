"""Memory that a signal would need if it ran whole, known before it runs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What a process takes by what its tensors hold, measured on Zipformers of 150 and 300 s: products reorder, allocators leave gaps.
SCRATCH = 1.4


class LiveBytes(TorchDispatchMode):
    """Bytes of the tensors that are made inside, and the most of them that lived at the same time.

    Scratch memory of single operations is not seen.

    Args:
        device: only tensors on a device of this type count.

    >>> with LiveBytes(torch.device("cpu")) as live:
    ...     _ = torch.zeros(1000) + 1
    >>> live.peak
    8000
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device, self.now, self.peak = device, 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count what it returns."""
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor) and tensor.device.type == self.device.type:
                self._count(tensor.untyped_storage())
        return output

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, storage._cdata, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def extrapolate(peaks: Mapping[int, int], samples: int) -> int:
    """Bytes for a length from the peaks of two shorter ones: a part grows with it, and one with its square, as attention does.

    Where parts that peak at different times exchange their order between the lengths, this is too low.

    >>> extrapolate({100: 10_500, 200: 22_000}, 1000)
    210000
    """
    (short, few), (long, many) = sorted(peaks.items())
    square = max(0.0, (many / long - few / short) / (long - short))
    return round(SCRATCH * samples * (many / long + square * (samples - long)))
