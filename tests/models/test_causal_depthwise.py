from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from audiossl.models.causal_depthwise import CausalDepthwiseConv


def obvious(conv: CausalDepthwiseConv, clip: torch.Tensor, chunk_size: int | None) -> torch.Tensor:
    """One clip (T, D), frame by frame and tap by tap."""
    frames, kernel = len(clip), conv.kernel
    half = kernel // 2
    out = torch.zeros_like(clip)
    for t in range(frames):
        out[t] = conv.causal_conv.bias
        for tap in range(half + 1):
            if t + tap - half >= 0:
                out[t] += conv.causal_conv.weight[:, 0, tap] * clip[t + tap - half]
        start = 0 if chunk_size is None else t // chunk_size * chunk_size
        end = frames if chunk_size is None else start + chunk_size
        inner = conv.chunkwise_conv.bias.clone()
        for tap in range(kernel):
            source = t + tap - half
            if start <= source < min(end, frames):
                inner += conv.chunkwise_conv.weight[:, 0, tap] * clip[source]
        scale = torch.ones_like(inner)
        if t - start < kernel:
            scale += conv.chunkwise_conv_scale[0, :, t - start]
        if end - 1 - t < kernel:
            scale += conv.chunkwise_conv_scale[1, :, kernel - 1 - (end - 1 - t)]
        out[t] += inner * scale
    return out


@pytest.mark.parametrize(("frames", "chunk_size"), [(12, 4), (13, 4), (3, 4), (26, 13), (23, None), (3, None)])
def test_it_equals_the_definition_in_a_padded_batch(frames, chunk_size):
    conv = CausalDepthwiseConv(3, 7)
    torch.nn.init.normal_(conv.chunkwise_conv_scale)
    clips = [torch.randn(frames, 3), torch.randn(frames - 2, 3)]
    batch = torch.stack([clips[0], F.pad(clips[1], (0, 0, 0, 2))])
    padding = torch.arange(frames)[None] >= torch.tensor([[frames], [frames - 2]])
    out = conv(batch, chunk_size, padding)
    for row, clip in zip(out, clips, strict=True):
        torch.testing.assert_close(row[: len(clip)], obvious(conv, clip, chunk_size), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(conv(batch[:1], chunk_size), out[:1])


def test_public_names():
    shapes = {key: tuple(value.shape) for key, value in CausalDepthwiseConv(5, 31).state_dict().items()}
    assert shapes == {
        "chunkwise_conv_scale": (2, 5, 31),
        "causal_conv.weight": (5, 1, 16),
        "causal_conv.bias": (5,),
        "chunkwise_conv.weight": (5, 1, 31),
        "chunkwise_conv.bias": (5,),
    }
