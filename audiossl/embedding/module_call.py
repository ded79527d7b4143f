"""How a module is called and where its frames are: found by calling it with noise of two lengths."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.errors import ConfigError
from audiossl.models.encoder import Frames
from audiossl.seeds import derive_generator

Layout = Literal["auto", "time_first", "time_last"]
BATCH = 3  # clips of a probe; few other axes have this size
FIRST, SECOND = 40, 56  # hops of the two probes
LENGTHS = ("lengths", "lens", "length")  # arguments by which modules take the valid samples of each clip


@dataclass(frozen=True)
class ModuleCall:
    """A module, and how it is called.

    Attributes:
        module: module that gives frames.
        channels: C of the signals.
        adds_axis: whether mono signals enter as (B, 1, S), not as (B, S).
        lengths_name: argument for the valid samples of each clip; "" if it takes none.
        axes: axis of time of every tensor that it returns, 1 or 2; 0 for tensors that are no frames.
    """

    module: nn.Module
    channels: int
    adds_axis: bool
    lengths_name: str = ""
    axes: tuple[int, ...] = ()

    def tensors(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"] | None = None) -> list[Tensor]:
        """Call the module; all tensors that it returns, in order."""
        entering = signal if self.channels > 1 or self.adds_axis else signal[:, 0]
        whole = torch.full((len(signal),), signal.shape[2], device=signal.device)
        named = {self.lengths_name: whole if lengths is None else lengths} if self.lengths_name else {}
        return _tensors_of(self.module(entering, **named))

    def layers(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"] | None = None) -> list[Float[Tensor, "B T D"]]:
        """Call the module; its frames, layer by layer."""
        found = zip(self.tensors(signal, lengths), self.axes, strict=True)
        return [tensor.transpose(1, 2) if axis == 2 else tensor for tensor, axis in found if axis]

    @torch.no_grad()
    def probe(self, num_samples: int, name: str = "probe") -> list[Float[Tensor, "B T D"]]:
        """Frames of a clip of noise of so many samples."""
        return self.layers(self.noise(1, num_samples, name))

    def noise(self, batch: int, num_samples: int, name: str) -> Float[Tensor, "B C S"]:
        """Noise on the module's device, the same for the same name and sizes."""
        device = next((tensor.device for tensor in [*self.module.parameters(), *self.module.buffers()]), torch.device("cpu"))
        return 0.1 * torch.randn(batch, self.channels, num_samples, generator=derive_generator("wrap", name)).to(device)


@torch.no_grad()
def find_call(module: nn.Module, channels: int, hop: int, layout: Layout) -> ModuleCall:
    """Find how a module is called.

    Args:
        module: module in evaluation mode.
        channels: channels of the signals.
        hop: samples from one frame to the next.
        layout: layout of the frames, if it is not to be found.

    Raises:
        ConfigError: if no call works, nothing that comes back is frames, or they come at another hop.
    """
    parameters = inspect.signature(module.forward).parameters
    lengths_name = next((name for name in LENGTHS if name in parameters), "")
    errors: list[str] = []
    for adds_axis in (False, True) if channels == 1 else (True,):
        call = ModuleCall(module, channels, adds_axis, lengths_name)
        shape = f"(B, {channels}, S)" if adds_axis else "(B, S)"
        try:
            first, second = (call.tensors(call.noise(BATCH, hops * hop, "probe")) for hops in (FIRST, SECOND))
        except Exception as error:  # a foreign module may fail in any way
            errors.append(f"{shape} ends with {type(error).__name__}: {str(error).splitlines()[0][:100] if str(error) else ''}")
            continue
        axes = tuple(_time_axis(one, other, layout) for one, other in zip(first, second, strict=False))
        if any(axes):
            _check_frames(module, [t for t, axis in zip(first, axes, strict=True) if axis], [axis for axis in axes if axis])
            _check_hop(module, first, second, axes, hop)
            return ModuleCall(module, channels, adds_axis, lengths_name, axes)
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in first) or "no tensor"
        errors.append(f"{shape} of {BATCH} clips gives {shapes}, of which none is (B, T, D) or (B, D, T) with a T that grows")
    raise ConfigError(
        f"{type(module).__name__}: expected a module that gives frames (B, T, D) for {BATCH} clips of noise; {'; '.join(errors)}"
    )


def _tensors_of(output: object) -> list[Tensor]:
    """Tensors of what a module returns; of Hugging Face's outputs the hidden states, the last of them as the model gives it."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Frames):
        return list(output.layers)
    hidden, last = _part(output, "hidden_states"), _part(output, "last_hidden_state")
    if isinstance(hidden, Sequence) and hidden:
        return [*hidden[:-1], last if isinstance(last, Tensor) else hidden[-1]]
    if isinstance(last, Tensor):
        return [last]
    inner = list(output.values()) if isinstance(output, Mapping) else list(output) if isinstance(output, Sequence) else []
    return [tensor for one in inner for tensor in _tensors_of(one)]


def _part(output: object, name: str) -> object:
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)


def _time_axis(one: Tensor, other: Tensor, layout: Layout) -> int:
    """The axis that grows with the signal; 0 if these are no frames."""
    if one.ndim != 3 or other.ndim != 3 or not len(one) == len(other) == BATCH:
        return 0
    grown = [axis for axis in (1, 2) if one.shape[axis] != other.shape[axis]]
    if layout != "auto":
        grown = [axis for axis in grown if axis == (1 if layout == "time_first" else 2)]
    return grown[0] if len(grown) == 1 else 0


def _check_frames(module: nn.Module, frames: list[Tensor], axes: list[int]) -> None:
    shapes = {(tensor.shape[axis], tensor.shape[3 - axis]) for tensor, axis in zip(frames, axes, strict=True)}
    if len(shapes) > 1:
        raise ConfigError(
            f"{type(module).__name__} returns layers of {len(shapes)} shapes (T, D), {sorted(shapes)}; expected one: wrap a "
            "module that returns the layers that belong together"
        )


def _check_hop(module: nn.Module, first: list[Tensor], second: list[Tensor], axes: tuple[int, ...], hop: int) -> None:
    one, other, axis = next((a, b, axis) for a, b, axis in zip(first, second, axes, strict=False) if axis)
    more = other.shape[axis] - one.shape[axis]
    if more != SECOND - FIRST:
        every = (SECOND - FIRST) * hop / more
        raise ConfigError(
            f"{type(module).__name__} gives a frame every {every:g} samples, got hop={hop}: say hop={max(round(every), 1)}"
        )
