"""ASR: words of read speech; LibriSpeech train-clean-100, letters, greedy decoding (arXiv 2105.01051)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from audiossl.evaluation.superb.heads.frame_ctc import RecurrentCTC
from audiossl.evaluation.superb.task import Counts, Settings
from audiossl.evaluation.superb.tasks.transcripts import TranscriptTask, character_errors, transcripts_of, word_errors
from audiossl.text import clean_text


class SpeechRecognition(TranscriptTask):
    """Characters, two bidirectional LSTMs and CTC. The published batch of 32 was always halved: 16 it is."""

    name = "ASR"
    metrics = ("wer", "cer")
    settings = Settings(batch=32, order="buckets", halve_above=2000, hidden=1024)
    projected = False

    def split(self, text: str) -> list[str]:
        """Characters, words parted by one space."""
        return list(clean_text(text))

    def join(self, units: Sequence[str]) -> str:
        """Text."""
        return " ".join("".join(units).split())

    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """Two bidirectional LSTMs behind SpecAugment."""
        return RecurrentCTC(dim, len(self.units), hidden, projected=self.projected)

    def count(self, predictions: Mapping[str, str], split: str) -> dict[str, Counts]:
        """Word and character errors."""
        references = transcripts_of(self.clips(split))
        return {"wer": word_errors(predictions, references), "cer": character_errors(predictions, references)}
