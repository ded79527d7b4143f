"""Causal Zipformers on audio as it comes, chunk by chunk, with all memory in an explicit state.

    state = start_stream(model)
    for block in blocks:                              # (1, 1, S), any sizes
        frames, state = stream(model, state, block)   # frames of the chunks that are complete, perhaps none
    frames, state = stream(model, state, last=True)   # the rest, as at the end of a whole clip

Frames equal those of `model(signal)`. A chunk of n frames can be computed once the front end has seen beyond its last frame:
the latency from the centre of a chunk's last frame is 112.5 ms with the published front end (8.5 frames of features, of which 6
are the ConvNeXt block's, and half a window) and 52.5 ms with the light one; its first frame waits 20 (n - 1) ms longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from audiossl.errors import ConfigError, DataError
from audiossl.features.logmel import HOP, WINDOW
from audiossl.models.activations import swoosh_r
from audiossl.models.causal_depthwise import CausalDepthwiseConv
from audiossl.models.chunks import Chunks
from audiossl.models.encoder import Frames
from audiossl.models.frontend import num_output_frames
from audiossl.models.relative_attention import attention_weights
from audiossl.models.zipformer import Zipformer
from audiossl.models.zipformer_layer import ConvolutionModule, NonlinAttention, SelfAttention, ZipformerLayer
from audiossl.models.zipformer_stack import DownsampledStack, upsample

EDGE = (WINDOW - HOP) // 2  # samples that a feature frame sees to either side of its hop


@dataclass(frozen=True)
class LayerState:
    """What a layer keeps of the past: frames within its left context for attention, half a kernel for each convolution."""

    key: Float[Tensor, "B H T Q"]
    nonlin: Float[Tensor, "B T N"]
    value1: Float[Tensor, "B T V"]
    value2: Float[Tensor, "B T V"]
    conv1: Float[Tensor, "B P D"]
    conv2: Float[Tensor, "B P D"]


@dataclass(frozen=True)
class StreamState:
    """What a stream keeps between calls.

    Attributes:
        samples: samples from `first_sample` on; earlier ones are not needed again.
        features: feature frames from `first_feature` on.
        frames: encoded so far, at 50 Hz; a multiple of the chunk size until the end.
        layers: state of each layer in order.
        ended: whether the last samples were given.

    >>> model = Zipformer.from_preset("tiny", causal=True, chunk_size=(8,), left_context_frames=(16,)).eval()
    >>> _, state = stream(model, start_stream(model), torch.randn(1, 1, 8000))
    >>> state.frames, state.ended
    (16, False)
    """

    samples: Float[Tensor, "B S"]
    first_sample: int
    features: Float[Tensor, "B T M"]
    first_feature: int
    frames: int
    layers: tuple[LayerState, ...]
    ended: bool = False


def start_stream(model: Zipformer, batch: int = 1) -> StreamState:
    """Return the state before the first sample of `batch` signals that run side by side.

    Args:
        model: causal Zipformer with limited chunks.
        batch: number of signals B.

    Raises:
        ConfigError: if the model is not causal, or its chunks are whole clips.

    >>> model = Zipformer.from_preset("tiny", causal=True, chunk_size=(8,), left_context_frames=(16,)).eval()
    >>> start_stream(model).frames
    0
    """
    if not model.config.causal or model.chunks.size is None:
        raise ConfigError("streaming needs a causal model with limited chunks; see causal in its config, and set_chunks.")
    parameter = model.mask_emb
    layers = tuple(_start_layer(layer, batch, parameter) for layer in model.modules() if isinstance(layer, ZipformerLayer))
    samples, features = parameter.new_zeros(batch, 0), parameter.new_zeros(batch, 0, model.config.num_mel_bins)
    return StreamState(samples, 0, features, 0, 0, layers)


def _start_layer(layer: ZipformerLayer, batch: int, like: Tensor) -> LayerState:
    heads, sizes = layer.self_attn_weights.num_heads, layer.self_attn_weights.sizes
    conv = layer.conv_module1.depthwise_conv
    assert isinstance(conv, CausalDepthwiseConv)
    past = like.new_zeros(batch, conv.kernel // 2, conv.causal_conv.in_channels)  # zeros, as before a whole clip
    return LayerState(
        key=like.new_zeros(batch, heads, 0, sizes[1] // heads),
        nonlin=like.new_zeros(batch, 0, layer.nonlin_attention.out_proj.in_features),
        value1=like.new_zeros(batch, 0, layer.self_attn1.in_proj.out_features),
        value2=like.new_zeros(batch, 0, layer.self_attn2.in_proj.out_features),
        conv1=past,
        conv2=past,
    )


@torch.no_grad()
def stream(
    model: Zipformer, state: StreamState, signal: Float[Tensor, "B 1 S"] | None = None, last: bool = False
) -> tuple[Frames, StreamState]:
    """Encode what has become complete; the state that was given stays as it is.

    Args:
        model: causal, in evaluation mode.
        state: state of `start_stream` or the call before.
        signal: the next samples, at 16 kHz.
        last: no more samples will come.

    Returns:
        Frames of whole chunks (all that remain if `last`), perhaps none, and the new state.

    Raises:
        DataError: after the end of the stream, or if the whole signal is shorter than `min_samples`.
        ConfigError: if the model is in training mode.

    >>> model = Zipformer.from_preset("tiny", causal=True, chunk_size=(8,), left_context_frames=(16,)).eval()
    >>> frames, state = stream(model, start_stream(model), torch.randn(1, 1, 8000))
    >>> rest, state = stream(model, state, last=True)
    >>> frames.last.shape[1] + rest.last.shape[1]
    21
    """
    if model.training:
        raise ConfigError("streaming needs a model in evaluation mode; call model.eval() first.")
    if state.ended:
        raise DataError("the stream has ended: its last samples were given in an earlier call. Start another one.")
    if signal is not None:
        state = replace(state, samples=torch.cat([state.samples, signal[:, 0]], dim=1))
    total = state.first_sample + state.samples.shape[1]
    if last and total < model.min_samples:
        raise DataError(f"the stream ended after {total} samples; the shortest that gives a frame has {model.min_samples}.")
    state = _add_features(model, replace(state, ended=last), last)
    embedded, state = _embed(model, state, last)
    size = model.chunks.size
    assert size is not None  # start_stream has seen to it
    outputs: list[list[Tensor]] = []
    for chunk in embedded.split(size, dim=1) if embedded.shape[1] else [embedded]:
        layers, state = _encode(model, chunk, state)
        outputs.append(layers)
    joined = [torch.cat(parts, dim=1) for parts in zip(*outputs, strict=True)]
    lengths = [torch.full((len(embedded),), output.shape[1], device=embedded.device) for output in joined]
    return Frames(tuple(joined[:-1]), lengths[0], joined[-1], lengths[-1]), state


def _add_features(model: Zipformer, state: StreamState, last: bool) -> StreamState:
    """Compute the feature frames whose window has come in, or all that remain."""
    total = state.first_sample + state.samples.shape[1]
    done = state.first_feature + state.features.shape[1]
    ready = (total + HOP // 2) // HOP if last else max((total - EDGE) // HOP, 0)
    if ready <= done:
        return state
    # One hop more on the left and any on the right, so that mirrored edges fall on dropped frames.
    first = state.first_sample // HOP
    lengths = torch.full((len(state.samples),), state.samples.shape[1], device=state.samples.device)
    features = model.log_mel(state.samples, lengths)[0][:, done - first : ready - first]
    keep = max(ready - 1, 0) * HOP - state.first_sample
    return replace(
        state,
        samples=state.samples[:, keep:],
        first_sample=state.first_sample + keep,
        features=torch.cat([state.features, features], dim=1),
    )


def _embed(model: Zipformer, state: StreamState, last: bool) -> tuple[Tensor, StreamState]:
    """Run the front end over complete chunks, and again over the few frames of context before them."""
    around, size = model.encoder_embed.context_frames, model.chunks.size
    assert size is not None
    first = state.first_feature // 2
    total = first + max(num_output_frames(state.features.shape[1]), 0)
    ready = total if last else max(total - around, 0) // size * size
    if ready <= state.frames:
        return state.features.new_zeros(len(state.features), 0, model.config.dim), state
    end = min(ready + around, total)
    embedded = model.encoder_embed(state.features[:, : 2 * (end - first) + 7])[:, state.frames - first : ready - first]
    keep = max(ready - around, 0)
    return embedded, replace(state, features=state.features[:, 2 * (keep - first) :], first_feature=2 * keep, frames=ready)


def _encode(model: Zipformer, x: Tensor, state: StreamState) -> tuple[list[Tensor], StreamState]:
    """One chunk, perhaps a short last one, through all stacks: outputs of layers, then the final one."""
    if not x.shape[1]:
        return [x] * (model.num_layers + 1), state
    before, after, outputs = list(state.layers), [], []
    for stack in model.encoder.encoders:
        slow = stack if isinstance(stack, DownsampledStack) else None
        factor = 1 if slow is None else slow.factor
        chunks = model.chunks.slower(factor)
        y = x if slow is None else slow.downsample(x)
        for layer in (module for module in stack.modules() if isinstance(module, ZipformerLayer)):
            y, layer_state = _stream_layer(layer, y, before.pop(0), chunks)
            after.append(layer_state)
            outputs.append(upsample(y, factor, x.shape[1]))
        x = y if slow is None else slow.out_combiner(x, outputs[-1])
    last = model.encoder.downsample_output
    return [*outputs, x if last is None else last(x)], replace(state, layers=tuple(after))


def _stream_layer(layer: ZipformerLayer, x: Tensor, state: LayerState, chunks: Chunks) -> tuple[Tensor, LayerState]:
    """`ZipformerLayer.forward` on one chunk, with the past from the state."""
    start, left = x, chunks.left
    query, key, pos_query = layer.self_attn_weights.project(x)
    key, key_state = _remember(state.key, key, 2, left)
    codes = layer.self_attn_weights.project_codes(x.shape[1], key.shape[2], x.device)
    weights = attention_weights(query, key, pos_query, codes, None)
    x = x + layer.feed_forward1(x)
    out, nonlin = _stream_nonlin(layer.nonlin_attention, x, weights[:, 0], state.nonlin, left)
    x = x + out
    out, value1 = _stream_attention(layer.self_attn1, x, weights, state.value1, left)
    x = x + out
    out, conv1 = _stream_convolution(layer.conv_module1, x, state.conv1, chunks.size)
    x = x + out
    x = layer.bypass_mid(start, x + layer.feed_forward2(x))
    out, value2 = _stream_attention(layer.self_attn2, x, weights, state.value2, left)
    x = x + out
    out, conv2 = _stream_convolution(layer.conv_module2, x, state.conv2, chunks.size)
    x = x + out
    x = layer.norm(x + layer.feed_forward3(x))
    return layer.bypass(start, x), LayerState(key_state, nonlin, value1, value2, conv1, conv2)


def _remember(past: Tensor, new: Tensor, axis: int, left: int | None) -> tuple[Tensor, Tensor]:
    """Past and new frames together, and those of them that the next chunk still sees."""
    both = torch.cat([past, new], dim=axis)
    kept = both.shape[axis] if left is None else min(left, both.shape[axis])
    return both, both.narrow(axis, both.shape[axis] - kept, kept)


def _stream_nonlin(module: NonlinAttention, x: Tensor, weights: Tensor, past: Tensor, left: int | None) -> tuple[Tensor, Tensor]:
    gate, value, factor = module.in_proj(x).chunk(3, dim=2)
    value, kept = _remember(past, value * gate.tanh(), 1, left)
    return module.out_proj((weights @ value) * factor), kept


def _stream_attention(module: SelfAttention, x: Tensor, weights: Tensor, past: Tensor, left: int | None) -> tuple[Tensor, Tensor]:
    value, kept = _remember(past, module.in_proj(x), 1, left)
    return module.attend(value, weights), kept


def _stream_convolution(module: ConvolutionModule, x: Tensor, past: Tensor, chunk_size: int | None) -> tuple[Tensor, Tensor]:
    conv = module.depthwise_conv
    assert isinstance(conv, CausalDepthwiseConv)
    x = F.glu(module.in_proj(x), dim=2)
    with_past, kept = _remember(past, x, 1, past.shape[1])
    causal = conv.causal_conv(with_past)[:, past.shape[1] :]
    return module.out_proj(swoosh_r(causal + conv.within_chunks(x, chunk_size))), kept
