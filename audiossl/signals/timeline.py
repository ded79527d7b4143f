"""Place decoded blocks by their time stamps: silence where nothing came, and no shift where two lie over each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from audiossl.signals.decoder import BLOCK_SIZE, DecoderStoppedError

TOLERANCE_SECONDS = 0.03  # containers round to a millisecond, and live capture is late by some; a lost packet or two are more
REWIND_SECONDS = 1.0  # a stamp that is earlier than what came by more than this begins another recording
LONGEST_GAP_SECONDS = 3600.0


class Timeline:
    """Where the samples of one stream belong.

    Args:
        sample_rate: sample rate in Hz.
        origin: the sample of the container's clock that is sample 0 here; None takes that of the first block.
    """

    def __init__(self, sample_rate: int, origin: int | None) -> None:
        self._rate, self._origin = sample_rate, origin
        self._position = 0  # samples that were passed on
        self.num_filled = 0
        self.num_dropped = 0

    def place(self, stamp: int | None, block: Float[np.ndarray, "S C"]) -> Iterator[Float[np.ndarray, "S C"]]:
        """Pass a block on that begins at `stamp` (None: right after the last), with silence in front where it is late.

        Raises:
            DecoderStoppedError: where the gap is longer than an hour.
        """
        late = self._late(stamp)
        if late > LONGEST_GAP_SECONDS * self._rate:
            detail = f"the time stamps leap by {late / self._rate:.0f} s. Cut the file there, or write it anew with FFmpeg"
            raise DecoderStoppedError(detail, is_damage=False)
        self.num_filled += max(0, late)
        self._position += max(0, late) + len(block)
        for first in range(0, late, BLOCK_SIZE):
            yield np.zeros((min(BLOCK_SIZE, late - first), block.shape[1]), np.float32)
        if late < 0:
            num_dropped = min(-late, len(block))
            self.num_dropped += num_dropped
            self._position -= num_dropped
            block = block[num_dropped:]
        if len(block):
            yield block

    def _late(self, stamp: int | None) -> int:
        """How many samples are missing before a block; below 0, how many of its samples were there before."""
        if stamp is None:
            return 0
        if self._origin is None or (not self._position and stamp < self._origin):
            self._origin = stamp
        late = stamp - self._origin - self._position
        if late < -REWIND_SECONDS * self._rate:  # joined recordings: the clock begins anew
            self._origin = stamp - self._position
            return 0
        return late if abs(late) > TOLERANCE_SECONDS * self._rate else 0
