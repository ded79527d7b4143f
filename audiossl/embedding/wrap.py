"""Any module that gives frames, as an encoder."""

from __future__ import annotations

import contextlib

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder
from audiossl.embedding.module_call import Layout, ModuleCall, find_call
from audiossl.embedding.module_timing import find_min_samples, find_offset, find_shift, is_padding_safe, stack_alone
from audiossl.errors import ConfigError
from audiossl.kinds import place_of, source_digest
from audiossl.lengths import padding_mask
from audiossl.models.encoder import Frames


class WrappedModule(nn.Module):
    """A module behind the encoder contract; `wrap_module` finds the arguments.

    Args:
        call: module, and how it is called.
        sample_rate: Hz of the input.
        hop: samples from one frame to the next.
        offset: samples to the centre of frame 0.
        min_samples: shortest clip.
        shift: a in T = floor((S + a) / hop) for padded batches; None to run every clip by itself.
    """

    def __init__(
        self, call: ModuleCall, sample_rate: float, hop: int, offset: float, min_samples: int, shift: int | None
    ) -> None:
        super().__init__()
        self.module, self.call, self.hop, self.shift = call.module, call, hop, shift
        self.module_class = place_of(type(call.module))
        self.sample_rate, self.min_samples, self.alignment = sample_rate, min_samples, hop
        self.frame_rate = self.last_frame_rate = self.sample_rate / hop
        self.frame_offset = offset / self.sample_rate
        layers = call.probe(max(min_samples, 20 * hop))
        self.num_layers, self.dim = len(layers), layers[0].shape[2]

    @property
    def runs_alone(self) -> bool:
        """Whether every clip runs by itself, as the module lets padding into its frames."""
        return self.shift is None

    def forward(self, signal: Float[Tensor, "B C S"], lengths: Int[Tensor, "B"]) -> Frames:
        """Encode a padded batch; a clip gives the same frames as alone."""
        if self.shift is None:
            clips = [self.call.layers(row[None, :, :size]) for row, size in zip(signal, lengths.tolist(), strict=True)]
            return stack_alone(clips)
        signal = signal.masked_fill(padding_mask(lengths, signal.shape[2])[:, None], 0.0)
        layers = self.call.layers(signal, lengths)
        return Frames.from_layers(layers, torch.div(lengths + self.shift, self.hop, rounding_mode="floor"))


def wrap_module(
    module: object,
    sample_rate: float | int = 16000,
    hop: int = 320,
    *,
    channels: int = 1,
    layout: Layout = "auto",
    frame_offset: float | int | None = None,
    min_samples: int | None = None,
    batched: bool | None = None,
    name: str | None = None,
) -> Embedder:
    """Make an encoder of a module, without the checks of `audiossl.wrap`, which describes the arguments."""
    if not isinstance(module, nn.Module):
        raise ConfigError(f"expected an nn.Module, got {type(module).__name__}: wrap an instance, not its class or its output")
    if not isinstance(hop, int) or hop < 1 or not sample_rate > 0 or channels < 1:
        raise ConfigError(f"expected sample_rate above 0, hop and channels of 1 or more, got {sample_rate}, {hop}, {channels}")
    call = find_call(module.eval(), channels, hop, layout)
    shortest = find_min_samples(call, hop)
    if min_samples is not None and min_samples < shortest:
        raise ConfigError(f"{type(module).__name__} gives no frame for min_samples={min_samples}; expected {shortest} or more")
    shortest = min_samples or shortest
    shift = find_shift(call, hop, shortest)
    offset = find_offset(call, hop, shift) if frame_offset is None else frame_offset * sample_rate
    safe = shift is not None and is_padding_safe(call, hop, shift, shortest)
    if batched and not safe:
        raise ConfigError(
            f"{type(module).__name__} lets padding into the frames of shorter clips, got batched=True: mask it inside the "
            "module, by an argument `lengths` of forward, or leave batched out and clips run one by one"
        )
    together = shift if safe and batched is not False else None
    encoder = WrappedModule(call, float(sample_rate), hop, float(offset), shortest, together)
    embedder = Embedder(encoder, name or type(module).__name__)
    with contextlib.suppress(ConfigError):  # of a class that was typed into a prompt nobody has the source
        embedder.source = source_digest(type(module))
    return embedder
