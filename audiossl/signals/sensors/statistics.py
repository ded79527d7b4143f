"""Mean and deviation of channels, from the recordings of chosen subjects only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import SensorRecording

CONSTANT = 1e-9  # a channel with a smaller ratio of deviation to mean is constant but for the rounding of sums


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and deviation of each channel, and the subjects that the samples come from.

    Attributes:
        mean, deviation: (C,); a constant channel has deviation 1.
        subjects: names, in order.
    """

    mean: Float[Tensor, "C"]
    deviation: Float[Tensor, "C"]
    subjects: tuple[str, ...]

    @classmethod
    def fit(cls, recordings: Iterable[SensorRecording], subjects: Iterable[str]) -> ChannelStatistics:
        """Measure the samples of some subjects; missing ones do not count.

        Raises:
            DataError: if these subjects have no sample of a channel.
        """
        chosen = frozenset(subjects)
        # Deviations from the first recording's means: sums of squares of large offsets would lose digits.
        shift: np.ndarray | None = None
        count = total = square = np.zeros(1)
        for recording in recordings:
            if recording.subject not in chosen:
                continue
            values = np.asarray(recording.values, np.float64)
            known = ~np.isnan(values)
            if shift is None:
                shift = np.where(known.any(1), np.where(known, values, 0).sum(1) / known.sum(1).clip(1), 0.0)
            centred = np.where(known, values - shift[:, None], 0.0)
            count = count + known.sum(1)
            total = total + centred.sum(1)
            square = square + np.square(centred).sum(1)
        if shift is None or (count == 0).any():
            raise DataError(
                f"expected samples of every channel from the subjects {', '.join(sorted(chosen)) or '(none)'}, got none"
            )
        mean = total / count
        deviation = np.sqrt(np.maximum(square / count - mean**2, 0.0))
        # Of its size, not of 1: a field in tesla varies by 1e-13.
        deviation[deviation <= CONSTANT * np.abs(mean + shift)] = 1.0
        return cls(torch.from_numpy(mean + shift).float(), torch.from_numpy(deviation).float(), tuple(sorted(chosen)))
