"""The encoder contract: what every model, teacher and adapter is to the rest of the package."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from audiossl.errors import ConfigError

CONTRACT = ("sample_rate", "frame_rate", "last_frame_rate", "frame_offset", "dim", "num_layers", "min_samples", "alignment")


@dataclass
class Frames:
    """What an encoder returns for a padded batch; frames at or beyond a length are undefined.

    Attributes:
        layers: output of every layer, each (B, T, D) at the encoder's `frame_rate`.
        lengths: valid frames of `layers`, (B,).
        last: final output (B, T', D); `layers[-1]` unless the model ends with a step of its own (25 Hz SPEAR models).
        last_lengths: valid frames of `last`, (B,).
        regions: node outputs (B, T, N, D) of graph encoders.

    >>> import torch
    >>> frames = Frames.from_layers([torch.zeros(2, 5, 8)], torch.tensor([5, 3]))
    >>> frames.last.shape, frames.last_lengths.tolist()
    (torch.Size([2, 5, 8]), [5, 3])
    """

    layers: tuple[Float[Tensor, "B T D"], ...]
    lengths: Int[Tensor, "B"]
    last: Float[Tensor, "B T2 D2"]
    last_lengths: Int[Tensor, "B"]
    regions: Float[Tensor, "B T N D"] | None = None

    @classmethod
    def from_layers(cls, layers: Sequence[Float[Tensor, "B T D"]], lengths: Int[Tensor, "B"]) -> Frames:
        """Frames of an encoder whose final output is its last layer."""
        return cls(tuple(layers), lengths, layers[-1], lengths)


@runtime_checkable
class Encoder(Protocol):
    """A model that turns signals into frames, layer by layer.

    The same signal gives the same frames alone and inside a padded batch (difference below 1e-5 in float32).

    Attributes:
        sample_rate: Hz of the input.
        frame_rate: frames per second of `Frames.layers`.
        last_frame_rate: frames per second of `Frames.last`.
        frame_offset: seconds from the start of the signal to the centre of frame 0.
        dim: width of each layer output.
        num_layers: number of layer outputs.
        min_samples: shortest input, in samples, that gives a frame.
        alignment: inputs that start at multiples of this many samples see the same grid of frames; windows of long files start
            there.
    """

    sample_rate: float
    frame_rate: float
    last_frame_rate: float
    frame_offset: float
    dim: int
    num_layers: int
    min_samples: int
    alignment: int

    def __call__(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch of signals; `lengths` are valid samples."""
        ...


def last_offset(encoder: Encoder) -> float:
    """Seconds from the start of the signal to the centre of the first frame of the final output.

    A final output at a lower rate than the layers stands for several of their frames: its centre is in their middle, unless the
    encoder says otherwise by a number `last_frame_offset`.

    Args:
        encoder: encoder that meets the contract.

    >>> from audiossl.models.resnet1d import ResNet1d
    >>> last_offset(ResNet1d(3, 50.0))
    0.01
    """
    middle = encoder.frame_offset + (1 / encoder.last_frame_rate - 1 / encoder.frame_rate) / 2
    return float(getattr(encoder, "last_frame_offset", middle))


def channels_of(encoder: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the channels that an encoder takes, in order; none of audio, which has one.

    >>> channels_of(object())
    ((), ())
    """
    about, regions = getattr(encoder, "takes", None), tuple(getattr(encoder, "regions", ()))
    return tuple(getattr(about, "channels", regions)), tuple(getattr(about, "units", ()))


def as_encoder(model: object) -> Encoder:
    """Return a model that meets the contract.

    Args:
        model: object of any type.

    Raises:
        ConfigError: if it does not; the message says what it lacks and what an encoder has.

    >>> from audiossl.models.resnet1d import ResNet1d
    >>> as_encoder(ResNet1d(3, 50.0)).dim
    128
    """
    name = type(model).__name__
    lacking = [key for key in CONTRACT if not hasattr(model, key)]
    found = {key: getattr(model, key) for key in CONTRACT if key not in lacking}
    wrong = [f"{key} is {type(value).__name__} {str(value)[:40]}" for key, value in found.items() if not _is_number(value)]
    calls = callable(model) and _takes_two(getattr(model, "forward", model))
    if not lacking and not wrong and calls:
        return cast(Encoder, model)
    faults = [f"it lacks {', '.join(lacking)}"] if lacking else []
    faults += [f"expected numbers, {'; '.join(wrong)}"] if wrong else []
    faults += [] if calls else ["it cannot be called with a signal and its lengths"]
    raise ConfigError(
        f"{name} is no encoder: {'; '.join(faults)}. An encoder has the numbers {', '.join(CONTRACT)}, and "
        "encoder(signal[B, C, S], lengths[B]) returns Frames, see audiossl.models.encoder; audiossl.wrap makes one of a "
        "module that gives frames"
    )


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool | str) and math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        return False


def _takes_two(call: Any) -> bool:
    try:
        inspect.signature(call).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # written in C, and says nothing of what it takes
        return True
    return True
