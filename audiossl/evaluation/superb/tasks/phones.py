"""PR: phones of read speech; LibriSpeech train-clean-100 with a fixed lexicon (arXiv 2105.01051)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from audiossl.evaluation.superb.heads.frame_ctc import FrameLinear
from audiossl.evaluation.superb.task import Counts, Settings
from audiossl.evaluation.superb.tasks.transcripts import TranscriptTask, transcripts_of, word_errors
from audiossl.text import clean_text


class PhoneRecognition(TranscriptTask):
    """Transcripts are phones parted by spaces; two linear layers and CTC."""

    name = "PR"
    metrics = ("per",)
    settings = Settings(lr=1e-2, updates=100_000, batch=16, accumulate=2, order="slices", halve_above=300_000)

    def split(self, text: str) -> list[str]:
        """Phones."""
        return clean_text(text).split()

    def join(self, units: Sequence[str]) -> str:
        """Phones parted by spaces."""
        return " ".join(units)

    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """Two linear layers."""
        return FrameLinear(dim, len(self.units), hidden)

    def count(self, predictions: Mapping[str, str], split: str) -> dict[str, Counts]:
        """Phone errors."""
        return {"per": word_errors(predictions, transcripts_of(self.clips(split)))}
