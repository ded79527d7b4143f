"""Diarization: who of two speaks when, in any order of the two; and the diarization error rate (arXiv 1909.05952)."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from audiossl.lengths import padding_mask

THRESHOLDS, MEDIANS = (0.3, 0.4, 0.5, 0.6, 0.7), (1, 11)


class SpeakerActivity(nn.Module):
    """One LSTM in one direction and a linear layer: a logit for each speaker and frame."""

    def __init__(self, dim: int, num_speakers: int = 2, hidden: int = 512) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, hidden, batch_first=True)
        self.output = nn.Linear(hidden, num_speakers)

    def forward(self, features: Float[Tensor, "B T D"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B T S"]:
        """Logits; the past only is seen, so that padding behind a clip changes nothing."""
        return self.output(self.lstm(features)[0])


def any_order_loss(
    logits: Float[Tensor, "B T S"], targets: Float[Tensor, "B T S"], lengths: Int[Tensor, "B"]
) -> Float[Tensor, ""]:
    """Binary cross entropy of a clip's frames in the order of speakers that suits it best, mean over frames of the batch."""
    inside = (~padding_mask(lengths, logits.shape[1]))[..., None]
    sums = []
    for order in permutations(range(logits.shape[2])):
        loss = functional.binary_cross_entropy_with_logits(logits.float(), targets[..., list(order)], reduction="none")
        sums.append((loss * inside).sum((1, 2)))
    return torch.stack(sums).amin(0).sum() / (lengths.sum() * logits.shape[2])


def active_frames(segments: list[tuple[str, float, float]], num_frames: int, frame_rate: float) -> Bool[np.ndarray, "T S"]:
    """Who speaks in each frame, speakers in the order of their names: from the frame nearest to a start to that of its end."""
    names = sorted({name for name, _, _ in segments})
    active = np.zeros((num_frames, max(2, len(names))), dtype=bool)
    for name, start, end in segments:
        active[round(start * frame_rate) : round(end * frame_rate), names.index(name)] = True
    return active


def diarization_errors(found: Bool[np.ndarray, "T S"], truth: Bool[np.ndarray, "T S"]) -> tuple[int, int]:
    """Frames of missed, false and confused speech in the best order of speakers, and frames of speech, each speaker's counted."""
    wrong = []
    for order in permutations(range(truth.shape[1])):
        given = truth[:, list(order)]
        wrong.append(int(np.maximum(given.sum(1), found.sum(1)).sum() - (given & found).sum()))
    return min(wrong), int(truth.sum())


def decide(probabilities: Float[np.ndarray, "T S"], threshold: float, median: int) -> Bool[np.ndarray, "T S"]:
    """Activity above a threshold, smoothed by a median over frames."""
    from scipy.ndimage import median_filter

    return median_filter(probabilities > threshold, size=(median, 1), mode="constant")
