from __future__ import annotations

import torch

from audiossl.models.zipformer_stack import Downsample, upsample


def obvious_downsample(clip: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Groups of one clip (T, D), its last frame repeated."""
    factor, weights = len(bias), bias.softmax(0)
    frames = [clip[min(t, len(clip) - 1)] for t in range(-(-len(clip) // factor) * factor)]
    return torch.stack([sum(weights[k] * frames[start + k] for k in range(factor)) for start in range(0, len(frames), factor)])


def test_downsample_repeats_the_last_frame_of_each_clip():
    downsample = Downsample(4)
    torch.nn.init.normal_(downsample.bias)
    x, lengths = torch.randn(4, 10, 3), torch.tensor([10, 8, 5, 1])
    out = downsample(x, lengths)
    assert out.shape == (4, 3, 3)
    for clip, length in enumerate(lengths.tolist()):
        expected = obvious_downsample(x[clip, :length], downsample.bias)
        torch.testing.assert_close(out[clip, : len(expected)], expected)


def test_downsample_without_lengths_repeats_the_last_frame_of_the_batch():
    downsample = Downsample(2)
    torch.nn.init.normal_(downsample.bias)
    x = torch.randn(2, 7, 3)
    for clip in range(2):
        torch.testing.assert_close(downsample(x)[clip], obvious_downsample(x[clip], downsample.bias))


def test_upsample_repeats_and_cuts():
    x = torch.arange(3.0)[None, :, None]
    assert upsample(x, 3, 7)[0, :, 0].tolist() == [0, 0, 0, 1, 1, 1, 2]
