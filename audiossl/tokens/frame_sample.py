"""A uniform sample of a stream of frames that does not fit in memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.seeds import derive_seed
from audiossl.tokens.contract import as_frames, check_finite

SAMPLE_BYTES = 2**30


def gather_frames(
    frames: Tensor | np.ndarray | Iterable[Tensor | np.ndarray], seed: int = 0, sample_bytes: int = SAMPLE_BYTES
) -> Float[Tensor, "T D"]:
    """Take frames (T, D) as they are, or draw a sample from an iterable of such blocks in one pass.

    Every frame of the stream has the same chance to be in the sample (reservoir sampling, Vitter 1985, algorithm R), whatever the
    sizes of the blocks.

    Args:
        frames: a tensor, an array (it may be memory-mapped), or an iterable of either, such as a teacher's clips.
        seed: seed of the draws.
        sample_bytes: most bytes of the sample; of 1024-d float32 frames 1 GiB holds 262,144.

    Raises:
        DataError: if a block has another shape or width or holds NaN, with its number; or if there are none.
    """
    if isinstance(frames, Tensor | np.ndarray):
        return as_frames(frames)
    draws = np.random.default_rng(derive_seed(seed, "frame sample"))
    sample, kept, seen = np.empty((0, 0), np.float32), 0, 0
    for number, block in enumerate(frames):
        try:
            tensor = as_frames(block, sample.shape[1] if seen else None)
            check_finite(tensor)
        except DataError as error:
            raise DataError(f"block {number} of the stream of frames: {error}") from error
        values = tensor.float().cpu().numpy()
        if not seen:
            sample = np.empty((max(1, sample_bytes // (4 * values.shape[1])), values.shape[1]), np.float32)  # pages come with use
        room = min(len(sample) - kept, len(values))
        sample[kept : kept + room] = values[:room]
        kept, values, seen = kept + room, values[room:], seen + room
        # The frame after `seen` others takes a random place among seen + 1; places beyond the sample are lost ones.
        places = draws.integers(0, seen + 1 + np.arange(len(values)))
        inside = places < len(sample)
        sample[places[inside]] = values[inside]
        seen += len(values)
    if not seen:
        raise DataError("the stream of frames is empty; give at least one block of shape (T, D)")
    return torch.from_numpy(sample[:kept])
