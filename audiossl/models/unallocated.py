"""Models that are built without memory and without random numbers, since their weights come from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

DRAWN_ANEW = (torch.rand, torch.randn)
DRAWN_IN_PLACE = (Tensor.normal_, Tensor.uniform_)


@contextmanager
def unallocated() -> Iterator[None]:
    """Make every new tensor one of device `meta`, and draw nothing.

    A draw on `meta` would import the compiler of torch, which takes more than a second.

    >>> with unallocated():
    ...     layer = torch.nn.Linear(3, 5)
    >>> layer.weight.device.type, tuple(layer.weight.shape)
    ('meta', (5, 3))
    """
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if func in DRAWN_ANEW:
            return torch.empty(*args, **kwargs)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return args[0] if func in DRAWN_IN_PLACE else func(*args, **kwargs)
