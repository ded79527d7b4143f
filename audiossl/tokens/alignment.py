"""Line tokens up with the frames of a student that runs at another rate."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from audiossl.errors import ConfigError, DataError

IGNORE = -100  # no target here; cross-entropy skips it
LARGEST_DEFICIT = 5  # student frames without tokens at the end of a batch; more means a bug in the lengths


def align_tokens(
    codes: Shaped[Tensor, "B Tc N"], token_rate: float, frame_rate: float, num_frames: int
) -> Int[Tensor, "B {num_frames} M"]:
    """Give every student frame its tokens, padded with -100.

    Slower tokens are repeated; of faster ones r = token_rate / frame_rate successive frames are laid side by side, so
    M = N * r, the first frame's N codes first (SPEAR, arXiv 2510.25955). The ratio comes from the declared rates.

    Args:
        codes: tokens of any integer type, -100 where a clip is padded.
        token_rate: token frames per second.
        frame_rate: student frames per second.
        num_frames: T, student frames of the padded batch. Surplus tokens are cut, at most 5 student frames may be short of them.

    Raises:
        ConfigError: if neither rate is a multiple of the other.
        DataError: if the tokens end more than 5 student frames early.

    >>> align_tokens(torch.arange(4).reshape(1, 4, 1), token_rate=50.0, frame_rate=25.0, num_frames=2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    repeats, side_by_side = rate_ratio(token_rate, frame_rate)
    # int64 before -100 appears: in uint8 it would wrap to 156, a legal code.
    aligned = codes.to(torch.int64).repeat_interleave(repeats, dim=1)
    wanted = num_frames * side_by_side
    missing = wanted - aligned.shape[1]
    if missing > LARGEST_DEFICIT * side_by_side:
        raise DataError(
            f"{codes.shape[1]} token frames at {token_rate:g} Hz meet {num_frames} student frames at {frame_rate:g} Hz; at most "
            f"{LARGEST_DEFICIT} student frames may be without tokens. Check both rates, and that the tokens belong to these clips"
        )
    if missing > 0:
        aligned = torch.nn.functional.pad(aligned, (0, 0, 0, missing), value=IGNORE)
    return aligned[:, :wanted].reshape(len(codes), num_frames, side_by_side * codes.shape[2])


def rate_ratio(token_rate: float, frame_rate: float) -> tuple[int, int]:
    """How often each token is repeated, and how many token frames share a student frame; one of the two is 1.

    Raises:
        ConfigError: if the ratio is not whole within 1e-3.
    """
    if token_rate <= 0 or frame_rate <= 0:
        raise ConfigError(f"rates must be positive, not {token_rate} and {frame_rate}")
    ratio = token_rate / frame_rate
    if ratio < 1:
        repeats, side_by_side = round(1 / ratio), 1
    else:
        repeats, side_by_side = 1, round(ratio)
    if abs(ratio * repeats / side_by_side - 1) > 1e-3:
        raise ConfigError(
            f"tokens at {token_rate:g} Hz cannot be laid on frames at {frame_rate:g} Hz: one rate must be a multiple "
            "of the other; choose a student output rate that is"
        )
    return repeats, side_by_side
