"""Activation checkpointing: layers keep their inputs only and run again in the backward pass, for less memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from audiossl.training.sharing import innermost_layers


@contextmanager
def recomputed(objective: nn.Module, enabled: bool = True) -> Iterator[None]:
    """Context in which the layers of an objective, the innermost members of its module lists, run again in the backward pass.

    Gradients are the same: dropout and whatever else is drawn from torch's global state is drawn alike. Layers with batch norms
    are left alone, since their statistics would follow each batch twice.

    >>> stack = nn.ModuleList([nn.Linear(2, 2)])
    >>> with recomputed(stack):
    ...     stack[0](torch.ones(1, 2)).sum().backward()
    >>> stack[0].weight.grad is None
    False
    """
    layers = [layer for layer in innermost_layers(objective) if not _has_statistics(layer)] if enabled else []
    for layer in layers:
        layer.forward = _again(layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _again(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run


def _has_statistics(layer: nn.Module) -> bool:
    return any(isinstance(part, _BatchNorm) for part in layer.modules())
