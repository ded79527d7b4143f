"""An encoder by the interface of X-ARES (arXiv 2505.16369)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.exporters.hear import HearModel, get_timestamp_embeddings
from audiossl.load import load


class XaresEncoder(nn.Module):
    """Frames of a model for X-ARES, which makes the one class of a file whose name ends in Encoder, without arguments.

    A file for `python -m xares.run`:

        from audiossl.exporters import xares

        class StudentEncoder(xares.XaresEncoder):
            model = "runs/asterisk"

    Attributes:
        model: name, as `audiossl.load` takes it.
        layers: see `HearModel`.
        sampling_rate: Hz.
        output_dim: width of a frame.
        hop_size_in_ms: from one frame to the next.
    """

    model: str = "logmel"
    layers: Layers = "last"

    def __init__(self, embedder: Embedder | None = None) -> None:
        super().__init__()
        self.hear = HearModel(embedder or load(self.model), self.layers)
        self.sampling_rate, self.output_dim = self.hear.sample_rate, self.hear.timestamp_embedding_size
        self.hop_size_in_ms = self.hear.hop * 1000 / self.sampling_rate

    def forward(self, audio: Float[Tensor, "B S"]) -> Float[Tensor, "B T D"]:
        """Encode mono clips of one length at `sampling_rate`."""
        return get_timestamp_embeddings(audio, self.hear)[0]
