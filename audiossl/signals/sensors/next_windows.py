"""Which windows are neighbours: one hop apart in one recording."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from audiossl.signals.sensors.windows import WindowSet


def follows(windows: WindowSet, rows: Sequence[int], hop: float) -> Bool[Tensor, "N"]:
    """Mark the rows whose window begins one hop after that of the row before, in the same recording.

    Args:
        windows: windows of recordings, those of a recording in the order of time.
        rows: numbers of the windows that are asked about, in order.
        hop: seconds between starts. Starts are at the nearest sample, so that two windows may be one sample nearer or further.

    >>> import numpy as np
    >>> from audiossl.signals.sensors.recording import SensorRecording
    >>> from audiossl.signals.sensors.windows import WindowConfig, cut_windows
    >>> walks = [SensorRecording(name, name, 50.0, ("x",), ("g",), np.zeros((1, 100), np.float32)) for name in ("a", "b")]
    >>> windows = WindowSet(walks, cut_windows(walks, WindowConfig(seconds=1.0, hop=0.5), None), "none")
    >>> follows(windows, range(6), 0.5).tolist()
    [False, True, True, False, True, True]
    """
    chosen = torch.tensor(list(rows))
    starts = torch.tensor([int(windows.ids[row].rpartition("@")[2]) for row in chosen.tolist()])
    found = torch.zeros(len(chosen), dtype=torch.bool)
    same = windows.recording[chosen[1:]] == windows.recording[chosen[:-1]]
    found[1:] = same & ((starts.diff() - hop * windows.rate).abs() <= 1) & (starts.diff() > 0)
    return found
