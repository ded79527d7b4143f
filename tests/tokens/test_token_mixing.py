"""Token mixing: closed forms at the borders, shares in the overlap, and the rule of the paper frame by frame."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from audiossl.seeds import derive_generator
from audiossl.tokens.mixing import mix_tokens


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 15), st.integers(0, 30), st.sampled_from([0.0, 0.3, 1.0]))
def test_every_frame_follows_the_rule(len1, len2, offset, num_frames, share):
    first = torch.randint(0, 128, (len1, 3)).to(torch.uint8)
    second = torch.randint(128, 256, (len2, 3)).to(torch.uint8)
    mixed = mix_tokens(first, second, offset, share, num_frames, derive_generator("mix"))
    assert mixed.shape == (num_frames, 3) and mixed.dtype == torch.int64
    for t in range(num_frames):
        for n in range(3):
            one = int(first[t, n]) if t < len1 else None
            other = int(second[t - offset, n]) if 0 <= t - offset < len2 else None
            code = int(mixed[t, n])
            if one is None and other is None:
                assert code == -100
            elif one is None or other is None:
                assert code == (other if one is None else one)
            else:
                assert code in (one, other)
                assert share not in (0.0, 1.0) or code == (other if share == 1.0 else one)


def test_codes_are_drawn_one_by_one_with_the_share_of_the_power():
    first, second = torch.zeros(4000, 4, dtype=torch.uint8), torch.ones(4000, 4, dtype=torch.uint8)
    mixed = mix_tokens(first, second, 0, 0.76, 4000, derive_generator("share")).double()
    assert abs(float(mixed.mean()) - 0.76) < 0.01
    correlation = torch.corrcoef(mixed.T) - torch.eye(4)
    assert correlation.abs().max() < 0.06  # books are drawn independently
    assert abs(float((mixed[1:, 0] * mixed[:-1, 0]).mean()) - 0.76**2) < 0.03  # and so are frames
