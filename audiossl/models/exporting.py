"""Whether a model is being written as a graph for another runtime, which has none of our operators and knows sizes as symbols."""

from __future__ import annotations

from collections.abc import Callable

import torch

_says_torch: Callable[[], bool] | None = getattr(torch.compiler, "is_exporting", None)  # since torch 2.6


def is_exporting() -> bool:
    """Whether `torch.export` is reading the model; `torch.compile` is not meant.

    Layers take plain operators then, and no branch that depends on a size: the sizes of the example would decide it for good.

    >>> is_exporting()
    False
    """
    return _says_torch is not None and _says_torch()
