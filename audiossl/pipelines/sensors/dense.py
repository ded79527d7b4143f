"""Frames of windows by a frozen encoder, or by hand, in which matches are searched."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from audiossl.features.local_statistics import local_statistics
from audiossl.lengths import pad_stack
from audiossl.load import load
from audiossl.objectives.matches import DenseFrames
from audiossl.pipelines.sensors.blocks import BLOCK
from audiossl.pipelines.sensors.data import SensorFold
from audiossl.pipelines.sensors.encoders import embed_windows
from audiossl.signals.sensors.windows import WindowSet

FRAMES = 16  # hand-made ones in the longest window


def handmade_frames(windows: WindowSet, rows: Sequence[int]) -> DenseFrames:
    """Mean, deviation and deviation of differences around 16 moments of the longest window, as often a second in others.

    Args:
        windows: windows of recordings.
        rows: those that are searched; they alone decide what frames are standardised by.
    """
    hop = max(1, round(windows.values.shape[2] / FRAMES))
    blocks = torch.tensor(rows).split(BLOCK)
    found = [local_statistics(windows.values[block], windows.lengths[block], hop) for block in blocks]
    frames, counts = (torch.cat(parts) for parts in zip(*found, strict=True))
    return DenseFrames.of(frames, counts, hop).spread(rows, len(windows))


def encoded_frames(fold: SensorFold, rows: Sequence[int], name: str) -> DenseFrames:
    """Final frames of an encoder that `audiossl.load` knows, which reads windows in the units of the recordings."""
    rate = load(name).last_frame_rate
    frames, counts = pad_stack([embedding.frames for embedding in embed_windows(name, fold, rows)])
    return DenseFrames.of(frames.float(), counts, fold.windows.rate / rate).spread(rows, len(fold.windows))
