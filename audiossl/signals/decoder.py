"""What every decoder of recordings offers, and the error that names a bad recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError

BLOCK_SIZE = 1 << 16  # samples a block, at most

Reason = Literal[
    "missing", "empty", "unreadable", "truncated", "zero_length", "non_finite", "amplitude", "sample_rate", "channel", "excerpt"
]


class AudioError(DataError):
    """A recording that cannot be used; `reason` is one word to count by, the message names the file and what is wrong."""

    def __init__(self, reason: Reason, path: Path, detail: str) -> None:
        super().__init__(reason, path, detail)  # all three are args, so that the error survives pickling
        self.reason: Reason = reason
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class DecoderStoppedError(Exception):
    """The library gave up in the middle of a recording; the message is its own.

    `is_damage` is False where the file is sound and only its layout cannot be read as one recording.
    """

    def __init__(self, message: str, is_damage: bool = True) -> None:
        super().__init__(message)
        self.is_damage = is_damage


@runtime_checkable
class Decoder(Protocol):
    """An open recording, decoded block by block.

    `promised` is the number of samples that the header announces (None where it announces none), and `slack` the number by
    which a lossy format may miss it. `is_exact` says that exactly `promised` samples will be read, or an error raised. `bits`
    is how many bits a sample has in the file: 16 where it is no more, and for what was compressed with losses.
    `is_mended` says that the header stated a wrong length and the true one was found. `num_filled` and `num_dropped` count,
    once the recording is decoded, the samples of silence put where time stamps leave a gap, and the samples that lay over
    others.
    """

    sample_rate: int
    num_channels: int
    promised: int | None
    slack: int
    is_exact: bool
    bits: int
    is_mended: bool
    num_filled: int
    num_dropped: int

    def blocks(self, start: int) -> Iterator[Float[np.ndarray, "S C"]]:
        """Yield float32 blocks from sample `start` to the end; raises DecoderStoppedError."""
        ...
