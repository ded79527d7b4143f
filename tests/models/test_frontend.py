from __future__ import annotations

import pytest
import torch

from audiossl.models.activations import swoosh_l
from audiossl.models.frontend import BLOCK_FRAMES, Conv1dFrontend, Conv2dFrontend, ConvNeXt, num_output_frames

FRONTENDS = [Conv1dFrontend, Conv2dFrontend]


@pytest.mark.parametrize("frontend", FRONTENDS)
@pytest.mark.parametrize(("features", "frames"), [(9, 1), (10, 1), (11, 2), (100, 46), (499, 246), (1000, 496), (1001, 497)])
def test_lengths_follow_the_published_table(frontend, features, frames):
    assert num_output_frames(features) == frames
    with torch.device("meta"):
        out = frontend(16, 8)(torch.empty(2, features, 16))
    assert out.shape == (2, frames, 8)


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_frame_k_is_centred_on_feature_frame_2k_plus_4(frontend):
    model = frontend(16, 8)
    if frontend is Conv2dFrontend:  # without the ConvNeXt branch, which sees 3 frames to either side
        torch.nn.init.zeros_(model.convnext.pointwise_conv2.weight)
    features = torch.randn(1, 31, 16, requires_grad=True)
    (grad,) = torch.autograd.grad(model(features)[0, 5].sum(), features)
    seen = grad[0].abs().sum(1).nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == (10, 18)


def test_convnext_sees_zeros_behind_a_clip_as_if_it_were_alone():
    model = Conv2dFrontend(16, 8)
    torch.nn.init.normal_(model.convnext.pointwise_conv2.weight, std=0.1)
    clip = torch.randn(1, 41, 16)
    batch = torch.cat([clip, torch.full((1, 20, 16), -23.0)], dim=1)
    alone = model(clip)
    valid = alone.shape[1]
    padding = torch.arange(num_output_frames(61))[None] >= valid
    torch.testing.assert_close(model(batch, padding)[:, :valid], alone, atol=1e-5, rtol=1e-5)
    assert (model(batch)[:, :valid] - alone).abs().max() > 1e-3


def test_blocks_of_frames_give_the_image_of_the_whole():
    block = ConvNeXt(8)
    torch.nn.init.normal_(block.pointwise_conv2.weight, std=0.1)
    x = torch.randn(2, 8, 2 * BLOCK_FRAMES + 3, 5)
    whole = block(x)
    hidden = torch.nn.functional.conv2d(x, block.depthwise_conv.weight, block.depthwise_conv.bias, padding=3, groups=8)
    expected = x + block.pointwise_conv2(swoosh_l(block.pointwise_conv1(hidden)))
    torch.testing.assert_close(whole, expected, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)
