"""Recordings that are a little shorter or longer than their manifest says: padded or cut as lhotse does, and counted."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.signals.audio import AudioError, probe
from audiossl.signals.corpora.manifest import CorpusItem

ROUNDING = 2  # samples by which rounded seconds may miss
TOLERANCE_SECONDS = 0.5  # lhotse's default
_VARIABLE = "LHOTSE_AUDIO_DURATION_MISMATCH_TOLERANCE"
_log = logging.getLogger(__name__)


def tolerance_seconds() -> float:
    """Return by how many seconds a recording may miss the length in its manifest: what lhotse is set to, by default 0.5 s."""
    lhotse = sys.modules.get("lhotse.audio.utils")  # not imported for this alone, which takes seconds
    if lhotse is not None:
        return float(lhotse.get_audio_duration_mismatch_tolerance())
    return float(os.environ.get(_VARIABLE, TOLERANCE_SECONDS))


def tolerance(item: CorpusItem, sample_rate: int) -> int:
    """Return by how many samples the sound of an item may miss `num_samples`."""
    is_exact = item.declared is None and item.cut is None
    return ROUNDING if is_exact else max(ROUNDING, math.ceil(tolerance_seconds() * sample_rate))


def states_whole(item: CorpusItem) -> bool:
    """Whether an item is a whole recording with a length stated by a manifest, so that more of it can be noticed."""
    return item.cut is None and item.start == 0 and item.num_samples == item.declared


def padded(signal: Float[Tensor, "_"], num_samples: int) -> Float[Tensor, "S"]:
    """Pad a signal to `num_samples` with its own end mirrored, as lhotse does."""
    return torch.from_numpy(np.pad(signal.numpy(), (0, num_samples - len(signal)), mode="reflect"))


def too_short(item: CorpusItem, missing: int, sample_rate: int) -> str:
    """Say that the recording of an item ends early."""
    early = f"item '{item.id}': {item.path} ends {missing} samples early: "
    if item.declared is None:
        return early + "it has changed. Build anew."
    states = item.start + item.num_samples / sample_rate
    return early + (
        f"{states - missing / sample_rate:.3f} s are there, {states:.3f} s are wanted by the manifest, and up to "
        f"{tolerance_seconds():g} s would be padded. The file has changed, or the manifest was made of another. Make it anew."
    )


def too_long(item: CorpusItem, sample_rate: int) -> str:
    """Say that the recording of an item continues after the end that its manifest states."""
    found = f"more than {item.num_samples / sample_rate + tolerance_seconds():.3f} s"
    if item.member is None:
        with contextlib.suppress(AudioError):  # it could be read so far
            found = f"{probe(Path(item.path)).duration:.3f} s"
    return (
        f"item '{item.id}': {item.path} holds {found}, its manifest says {item.num_samples / sample_rate:.3f} s: it was made of "
        "another file, or states another sample rate. Make it anew."
    )


class PaddedItems(dict[str, int]):
    """Items that had to be padded, with the samples that were missing; the 1st, 10th, 100th and so on are logged."""

    def note(self, item: CorpusItem, missing: int, sample_rate: int) -> None:
        """Count an item; a second reading counts no more."""
        if item.id in self:
            return
        self[item.id] = missing
        if math.log10(len(self)).is_integer():
            _log.warning(
                "item '%s' is %.3f s shorter than its manifest says and is padded, as lhotse does; so far %d items are",
                item.id, missing / sample_rate, len(self),
            )  # fmt: skip
