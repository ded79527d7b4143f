"""Tokens on student frames: the table of SPEAR's rates, padding, refusals."""

from __future__ import annotations

import pytest
import torch

from audiossl.errors import ConfigError, DataError
from audiossl.tokens import align_tokens


def numbered(frames: int, codebooks: int = 2) -> torch.Tensor:
    """Code = 10 * frame + codebook."""
    return (10 * torch.arange(frames)[:, None] + torch.arange(codebooks))[None]


@pytest.mark.parametrize(
    ("token_rate", "frame_rate", "codes", "expected"),
    [
        (50.0, 50.0, numbered(3), [[0, 1], [10, 11], [20, 21]]),
        (25.0, 50.0, numbered(2), [[0, 1], [0, 1], [10, 11]]),
        (50.0, 25.0, numbered(6), [[0, 1, 10, 11], [20, 21, 30, 31], [40, 41, 50, 51]]),
        (12.5, 50.0, numbered(1), [[0, 1], [0, 1], [0, 1]]),
        (50.0, 50.0, numbered(5), [[0, 1], [10, 11], [20, 21]]),  # surplus is cut
        (50.0, 25.0, numbered(5), [[0, 1, 10, 11], [20, 21, 30, 31], [40, 41, -100, -100]]),
    ],
)
def test_rates(token_rate, frame_rate, codes, expected):
    aligned = align_tokens(codes, token_rate, frame_rate, 3)
    assert aligned.dtype == torch.int64
    assert aligned[0].tolist() == expected


def test_missing_tokens_become_ignored_not_code_156():
    codes = torch.full((2, 4, 3), 255, dtype=torch.uint8)
    aligned = align_tokens(codes, 50.0, 50.0, 6)
    assert (aligned[:, :4] == 255).all() and (aligned[:, 4:] == -100).all()


def test_uint16_codes_are_taken():
    codes = torch.tensor([[[300], [65535]]], dtype=torch.int32).to(torch.uint16)
    assert align_tokens(codes, 50.0, 25.0, 1).tolist() == [[[300, 65535]]]


def test_padding_of_the_batch_stays():
    codes = torch.tensor([[[3], [-100]]])
    assert align_tokens(codes, 25.0, 50.0, 4).flatten().tolist() == [3, 3, -100, -100]


def test_the_ratio_does_not_come_from_lengths():
    codes = numbered(2, 1)  # a short clip: 2 token frames for 4 student frames look like a ratio of 2
    assert align_tokens(codes, 50.0, 50.0, 4).flatten().tolist() == [0, 10, -100, -100]


@pytest.mark.parametrize(("token_rate", "frame_rate", "have"), [(50.0, 50.0, 5), (50.0, 25.0, 10), (25.0, 50.0, 3)])
def test_deficit_of_five_frames_is_the_limit(token_rate, frame_rate, have):
    assert align_tokens(numbered(have), token_rate, frame_rate, 10).shape[1] == 10
    with pytest.raises(DataError, match="Check both rates"):
        align_tokens(numbered(have - 1), token_rate, frame_rate, 10)


@pytest.mark.parametrize(("token_rate", "frame_rate"), [(50.0, 30.0), (50.0, 0.0), (40.0, 50.0)])
def test_rates_that_do_not_divide_are_refused(token_rate, frame_rate):
    with pytest.raises(ConfigError, match="rate"):
        align_tokens(numbered(3), token_rate, frame_rate, 3)
