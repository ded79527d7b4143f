"""OOD-ASR: words of other languages and of conversations; Common Voice 7 es, ar, zh-CN and SBCSAE (arXiv 2203.06849)."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn

from audiossl.evaluation.superb.task import Batch, Settings
from audiossl.evaluation.superb.tasks.speech_recognition import SpeechRecognition

STRIDE = 320  # samples at 16 kHz; encoders with more frames give every n-th


class OutOfDomainRecognition(SpeechRecognition):
    """The ASR head with a linear layer and tanh behind each LSTM, on frames 320 samples apart; of Chinese the CER counts."""

    name = "OOD-ASR"
    settings = Settings(updates=500_000, batch=16, order="buckets", hidden=1024)
    projected = True

    def head(self, dim: int, stride: float, hidden: int) -> nn.Module:
        """The ASR head, which takes how many frames to leave out."""
        head = super().head(dim, stride, hidden)
        self.every = max(1, round(STRIDE / stride))
        return head

    def loss(self, head: nn.Module, batch: Batch) -> Float[Tensor, ""]:
        """CTC on every n-th frame."""
        return super().loss(head, self._thinned(batch))

    def predict(self, head: nn.Module, batch: Batch) -> list[str]:
        """Transcripts by greedy decoding."""
        return super().predict(head, self._thinned(batch))

    def _thinned(self, batch: Batch) -> Batch:
        return replace(batch, features=batch.features[:, :: self.every], lengths=-(-batch.lengths // self.every))
