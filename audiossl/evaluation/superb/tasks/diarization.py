"""SD: who of two speaks when; Libri2Mix, 16 kHz, max (arXiv 2105.01051)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from audiossl.errors import DataError
from audiossl.evaluation.superb.heads.diarization import (
    MEDIANS,
    THRESHOLDS,
    SpeakerActivity,
    active_frames,
    any_order_loss,
    decide,
    diarization_errors,
)
from audiossl.evaluation.superb.tables import Clip
from audiossl.evaluation.superb.task import Batch, Counts, RateTask, Settings
from audiossl.lengths import pad_stack


class Diarization(RateTask[list[list[float]]]):
    """A column `segments` such as `A:0.50-1.20 B:1.00-2.00`, in seconds; labels are frames of the encoder's stride.

    The validation table is scored at a threshold of 0.5; the test table at the best of ten pairs of threshold and median, as
    published numbers are.
    """

    name = "SD"
    columns = ("segments",)
    metrics = ("der",)
    settings = Settings(updates=30_000, batch=8, accumulate=4, crop_seconds=40.0, evaluations=60, hidden=512)

    def read_vocabulary(self) -> None:
        """The segments of every clip.

        Raises:
            DataError: if they cannot be read, or are of more than two speakers.
        """
        self.segments = {}
        for split in self.splits:
            for clip in self.clips(split):
                try:
                    parts = [part.rpartition(":") for part in clip.values["segments"].split()]
                    found = [(name, *map(float, span.split("-"))) for name, _, span in parts]
                    self.segments[split, clip.id] = [(name, start, end) for name, start, end in found]
                except ValueError:
                    raise DataError(
                        f"{self.folder / f'{split}.csv'}: {clip.id}: expected segments such as 'A:0.50-1.20 B:1.00-2.00', got "
                        f"'{clip.values['segments'][:60]}'"
                    ) from None
                if len({name for name, _, _ in found}) > 2:
                    raise DataError(f"{self.folder / f'{split}.csv'}: {clip.id}: expected one or two speakers, got more")

    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """An LSTM."""
        self.frame_rate = 16000 / stride
        return SpeakerActivity(dim, 2, hidden)

    def loss(self, head: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        """Binary cross entropy in the better order."""
        truth = [
            torch.from_numpy(self._truth("train", clip, last)[first:last]).float()
            for clip, (first, last) in zip(batch.clips, batch.spans, strict=True)
        ]
        logits = head(batch.features, batch.lengths)
        return any_order_loss(logits, pad_stack(truth)[0].to(logits.device), batch.lengths)

    def predict(self, head: nn.Module, batch: Batch) -> list[list[list[float]]]:
        """Probabilities of each frame, rounded to four digits."""
        found = head(batch.features, batch.lengths).sigmoid().cpu()
        return [row[:length].numpy().round(4).tolist() for row, length in zip(found, batch.lengths.tolist(), strict=True)]

    def value(self, predictions: Mapping[str, list[list[float]]], split: str) -> float:
        """Diarization error rate at a threshold of 0.5."""
        return self._counts(predictions, split, 0.5, 1).value

    def count(self, predictions: Mapping[str, list[list[float]]], split: str) -> dict[str, Counts]:
        """Errors at the best of all thresholds and medians."""
        found = [self._counts(predictions, split, threshold, median) for threshold in THRESHOLDS for median in MEDIANS]
        return {"der": min(found, key=lambda counts: counts.value)}

    def _counts(self, predictions: Mapping[str, list[list[float]]], split: str, threshold: float, median: int) -> Counts:
        wrong: dict[str, float] = {}
        spoken: dict[str, float] = {}
        for clip in self.clips(split):
            made = decide(np.array(predictions[clip.id]), threshold, median)
            errors, frames = diarization_errors(made, self._truth(split, clip, len(made)))
            wrong[clip.id], spoken[clip.id] = float(errors), float(frames)
        return Counts(wrong, spoken)

    def _truth(self, split: str, clip: Clip, num_frames: int) -> np.ndarray:
        return active_frames(self.segments[split, clip.id], num_frames, self.frame_rate)
