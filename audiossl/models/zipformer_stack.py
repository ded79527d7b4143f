"""Stacks of Zipformer layers at falling and rising frame rates (arXiv 2310.11230, section 2.1)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from audiossl.lengths import padding_mask
from audiossl.models.chunks import WHOLE, Chunks
from audiossl.models.exporting import is_exporting
from audiossl.models.zipformer_config import ZipformerConfig
from audiossl.models.zipformer_layer import Bypass, ZipformerLayer


class Downsample(nn.Module):
    """Weighted mean of each group of `factor` frames, with learned weights that sum to 1."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.bias = nn.Parameter(torch.zeros(factor))

    def forward(self, x: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"] | None = None) -> Float[Tensor, "B T2 D"]:
        """Average groups of frames; T2 = ceil(T / factor).

        Args:
            x: frames.
            lengths: where given, a clip's last frame is repeated from there on, as it would be at the end of a lone clip;
                otherwise the last frame of the batch is repeated.
        """
        frames = x.shape[1]
        missing = -frames % self.factor
        if is_exporting() or missing:
            # Not by concatenation: compiled code (torch 2.13) gives memory away that a concatenation shares with its parts.
            x = x.index_select(1, torch.arange(frames + missing, device=x.device).clamp_max(frames - 1))
        if lengths is not None:
            rows = torch.arange(x.shape[0], device=x.device)  # len() would fix the batch of a graph
            x = torch.where(padding_mask(lengths, frames + missing)[:, :, None], x[rows, lengths - 1][:, None], x)
        groups = x.unflatten(1, (-1, self.factor)).unbind(2)
        weights = self.bias.softmax(0)
        out = groups[0] * weights[0]
        for group, weight in zip(groups[1:], weights[1:], strict=True):
            out = out + group * weight
        return out


def upsample(x: Float[Tensor, "B T2 D"], factor: int, frames: int) -> Float[Tensor, "B T D"]:
    """Repeat each frame `factor` times and cut to `frames`."""
    return x[:, :, None].expand(-1, -1, factor, -1).flatten(1, 2)[:, :frames]


class Stack(nn.Module):
    """Layers at the full rate."""

    def __init__(self, config: ZipformerConfig, stack: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            ZipformerLayer(
                config.encoder_dim[stack],
                config.num_heads[stack],
                config.feedforward_dim[stack],
                config.cnn_module_kernel[stack],
                query_head_dim=config.query_head_dim,
                pos_head_dim=config.pos_head_dim,
                value_head_dim=config.value_head_dim,
                pos_dim=config.pos_dim,
                causal=config.causal,
            )
            for _ in range(config.num_encoder_layers[stack])
        )

    def forward(
        self, x: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"] | None, repeat_valid: bool, chunks: Chunks = WHOLE
    ) -> tuple[Float[Tensor, "B T D"], list[Float[Tensor, "B T D"]]]:
        """Return the stack's output and that of every layer.

        Args:
            x: frames.
            lengths: valid frames, None where nothing is padded.
            repeat_valid: way of `DownsampledStack` at the end of a clip; of no effect here.
            chunks: frames that causal layers see, in frames of this stack.
        """
        padding = None if lengths is None else padding_mask(lengths, x.shape[1])
        hidden = chunks.hidden(x.shape[1], x.device)
        outputs = []
        for layer in self.layers:
            x = layer(x, padding, chunks.size, hidden)
            outputs.append(x)
        return x, outputs


class DownsampledStack(nn.Module):
    """Layers at a lower rate, their output repeated to the full rate and combined with the input per channel."""

    def __init__(self, config: ZipformerConfig, stack: int) -> None:
        super().__init__()
        self.factor = config.downsampling_factor[stack]
        self.downsample = Downsample(self.factor)
        self.encoder = Stack(config, stack)
        self.out_combiner = Bypass(config.encoder_dim[stack])

    def forward(
        self, x: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"] | None, repeat_valid: bool, chunks: Chunks = WHOLE
    ) -> tuple[Float[Tensor, "B T D"], list[Float[Tensor, "B T D"]]]:
        """Return the stack's output and that of every layer, all at the full rate.

        Args:
            x: frames.
            lengths: valid frames, None where nothing is padded.
            repeat_valid: fill a clip's last group with its own last frame instead of padded frames.
            chunks: frames that causal layers see, in frames of the full rate.
        """
        slow = self.downsample(x, lengths if repeat_valid else None)
        # A group counts as valid if any of its frames does.
        slow_lengths = None if lengths is None else (lengths + self.factor - 1) // self.factor
        _, outputs = self.encoder(slow, slow_lengths, repeat_valid, chunks.slower(self.factor))
        outputs = [upsample(output, self.factor, x.shape[1]) for output in outputs]
        return self.out_combiner(x, outputs[-1]), outputs


class Stacks(nn.Module):
    """All stacks of a model in order, and the 2:1 step to 25 Hz where there is one."""

    def __init__(self, config: ZipformerConfig) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            Stack(config, stack) if factor == 1 else DownsampledStack(config, stack)
            for stack, factor in enumerate(config.downsampling_factor)
        )
        self.downsample_output = None if config.output_downsampling_factor == 1 else Downsample(config.output_downsampling_factor)

    def layers_by_stack(self) -> list[list[ZipformerLayer]]:
        """The layers of each stack."""
        stacks = [stack.encoder if isinstance(stack, DownsampledStack) else stack for stack in self.encoders]
        return [[layer for layer in stack.layers if isinstance(layer, ZipformerLayer)] for stack in stacks]  # pyright: ignore

    def forward(
        self, x: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"] | None, repeat_valid: bool, chunks: Chunks = WHOLE
    ) -> tuple[Float[Tensor, "B T2 D"], list[Float[Tensor, "B T D"]]]:
        """Return the final output and every layer's output at the rate of `x`; arguments as for `DownsampledStack`."""
        layers: list[Tensor] = []
        for stack in self.encoders:
            x, outputs = stack(x, lengths, repeat_valid, chunks)
            layers += outputs
        if self.downsample_output is not None:
            x = self.downsample_output(x, lengths if repeat_valid else None)
        return x, layers
