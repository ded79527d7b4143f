"""`torch.compile` for an objective's encoder, with features padded to few lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames

STEPS_PER_OCTAVE = 8  # of lengths: at most an eighth of a batch is padding, a sixteenth on average


@contextmanager
def compiled(objective: nn.Module, enabled: bool = True, backend: str | Callable[..., object] = "inductor") -> Iterator[None]:
    """Context in which the encoder of an objective runs compiled.

    Both the number of clips and that of frames are symbols of the graph, so that one graph serves all batches; padded to few
    lengths, they also ask the device for few shapes. Padding changes no valid frame; the frames that it becomes are padding too.

    Args:
        objective: objective with an `encoder` that has `forward_features(features, lengths) -> Frames`.
        enabled: whether to do anything.
        backend: backend of `torch.compile`.

    Raises:
        ConfigError: if its encoder has no such method, or devices that draw numbers as they run.
    """
    if not enabled:
        yield
        return
    encoder: Any = getattr(objective, "encoder", None)
    if not hasattr(encoder, "forward_features"):
        raise ConfigError(
            f"training.compile is for encoders with forward_features, a {type(encoder).__name__} has none. Set it to false."
        )
    if getattr(encoder, "devices", None) is not None:
        raise ConfigError("training.compile cannot trace the draws of training devices; set student.devices.enabled=false.")
    encoder.forward_features = _Padded(torch.compile(encoder.forward_features, dynamic=True, backend=backend))
    try:
        yield
    finally:
        del encoder.forward_features


class _Padded:
    """Pads features to one of few lengths, and a lone clip to two."""

    def __init__(self, forward: Callable[[Tensor, Tensor], Frames]) -> None:
        self.forward = forward

    def __call__(self, features: Float[Tensor, "B F M"], lengths: Int[Tensor, "B"]) -> Frames:
        clips, size = features.shape[:2]
        padded = F.pad(features, (0, 0, 0, padded_length(size) - size))
        if clips == 1:  # a size of 1 would be a graph of its own
            padded, lengths = padded.expand(2, -1, -1).contiguous(), lengths.expand(2).contiguous()
        frames = self.forward(padded, lengths)
        return replace(
            frames,
            layers=tuple(layer[:clips] for layer in frames.layers),
            lengths=frames.lengths[:clips],
            last=frames.last[:clips],
            last_lengths=frames.last_lengths[:clips],
        )


def padded_length(size: int) -> int:
    """The next of 8 lengths an octave.

    >>> padded_length(1000), padded_length(1024), padded_length(1025)
    (1024, 1024, 1152)
    """
    return size + -size % (1 << max(0, size.bit_length() - 4))
