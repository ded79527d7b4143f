from __future__ import annotations

import math

import pytest
import torch

from audiossl.models.relative_attention import BLOCK_QUERIES, RelativeAttentionWeights, position_codes, relative_shift

CPU = torch.device("cpu")


def obvious_weights(attention: RelativeAttentionWeights, x: torch.Tensor, valid: int) -> torch.Tensor:
    """Weights of one clip, (H, T, T), pair by pair from the definition."""
    frames, heads = x.shape[0], attention.num_heads
    parts = attention.in_proj(x).split(attention.sizes, dim=1)
    query, key, pos_query = (part.reshape(frames, heads, -1) for part in parts)
    scores = torch.zeros(heads, frames, frames)
    for head in range(heads):
        for i in range(frames):
            for j in range(frames):
                code = position_codes(frames, attention.pos_dim, CPU)[j - i + frames - 1]
                relative = attention.linear_pos(code).reshape(heads, -1)[head]
                score = query[i, head] @ key[j, head] + pos_query[i, head] @ relative
                scores[head, i, j] = score if j < valid else -1000.0
    return scores.exp() / scores.exp().sum(-1, keepdim=True)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_weights_equal_the_pairwise_definition(frames):
    attention = RelativeAttentionWeights(12, num_heads=3, query_head_dim=4, pos_head_dim=2, pos_dim=8)
    torch.nn.init.normal_(attention.linear_pos.weight)
    x = torch.randn(2, frames, 12)
    lengths = torch.tensor([frames, max(frames - 2, 1)])
    padding = torch.arange(frames)[None] >= lengths[:, None]
    weights = attention(x, padding)
    for clip in range(2):
        torch.testing.assert_close(weights[clip], obvious_weights(attention, x[clip], int(lengths[clip])), atol=1e-6, rtol=1e-5)


def test_a_row_without_valid_keys_stays_finite():
    attention = RelativeAttentionWeights(8, num_heads=2, query_head_dim=4, pos_head_dim=2, pos_dim=4)
    weights = attention(torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(weights, torch.full((1, 2, 5, 5), 0.2))


@pytest.mark.parametrize("mask", ["none", "padding"])
def test_blocks_of_long_clips_give_the_weights_of_the_whole(mask):
    attention = RelativeAttentionWeights(12, num_heads=3, query_head_dim=4, pos_head_dim=2, pos_dim=8)
    torch.nn.init.normal_(attention.linear_pos.weight)
    frames = 2 * BLOCK_QUERIES + 7
    x = torch.randn(2, frames, 12)
    padding = None if mask == "none" else torch.arange(frames)[None] >= torch.tensor([[frames], [frames - 90]])
    whole = attention(x, padding)
    assert whole.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(attention(x, padding), whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_shift_and_its_gradient_equal_a_gather(frames):
    by_offset = torch.randn(2, 3, frames, 2 * frames - 1, requires_grad=True)
    index = torch.arange(frames)[None, :] - torch.arange(frames)[:, None] + frames - 1
    expected = by_offset.gather(3, index.expand(2, 3, -1, -1))
    shifted = relative_shift(by_offset)
    direction = torch.randn_like(expected)
    torch.testing.assert_close(shifted, expected, atol=0, rtol=0)
    ours, wanted = (torch.autograd.grad(out, by_offset, direction)[0] for out in (shifted, expected))
    torch.testing.assert_close(ours, wanted, atol=0, rtol=0)


def test_position_codes_have_the_published_values():
    codes = position_codes(1001, 48, CPU)
    for offset, angle in ((1, 0.12167), (10, 0.68093), (100, 1.18776), (1000, 1.35285)):
        ahead, behind = codes[1000 + offset], codes[1000 - offset]
        assert math.atan2(ahead[1], ahead[0]) == pytest.approx(angle, abs=5e-6)
        assert math.atan2(behind[1], behind[0]) == pytest.approx(-angle, abs=5e-6)
    torch.testing.assert_close(codes[1010, :4], torch.tensor([0.77699, 0.62952, 0.20741, 0.97825]), atol=5e-6, rtol=0)
    assert (codes[:, 47] == 1).all()


def test_position_codes_made_in_inference_mode_serve_training():
    attention = RelativeAttentionWeights(8, num_heads=2, query_head_dim=4, pos_head_dim=2, pos_dim=6)
    x = torch.randn(1, 37, 8)
    with torch.inference_mode():
        attention(x, None)
    attention(x, None)[..., 0].sum().backward()
    assert attention.linear_pos.weight.grad is not None
