"""An encoder by the interface of X-ARES (arXiv 2505.16369)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.evaluation.hear.model import HearModel, get_timestamp_embeddings
from audiossl.exporters.hear import require_module_path
from audiossl.exporters.source import ModelSource
from audiossl.files import whole_file
from audiossl.load import load
from audiossl.version import __version__

MODULE = '''"""Encoder of {name} for X-ARES, written by audiossl {version}, which it needs: `python -m xares.run`.

Takes mono audio at {sample_rate} Hz. {dim} values every {hop:g} ms: {layers}.
"""

from audiossl.exporters import xares


class {stem}(xares.XaresEncoder):
    """What X-ARES makes without arguments."""

    model = {model!r}
    layers = {options!r}
'''


class XaresEncoder(nn.Module):
    """Frames of a model for X-ARES, which makes the one class of a file with a name that ends in Encoder, without arguments.

    A file for `python -m xares.run`:

        from audiossl.exporters import xares

        class StudentEncoder(xares.XaresEncoder):
            model = "runs/asterisk"

    Attributes:
        model: name, as `audiossl.load` takes it.
        layers: layers, see `HearModel`.
        sampling_rate: Hz.
        output_dim: width of a frame.
        hop_size_in_ms: milliseconds from one frame to the next.

    >>> import audiossl
    >>> XaresEncoder(audiossl.load("logmel")).sampling_rate
    16000
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


@dataclass(frozen=True)
class XaresExport:
    """A file with one encoder class, which X-ARES imports.

    The checkpoint is not copied: the file holds where it is. An object in memory is saved to `NAME_model` next to the file.

    Attributes:
        layers: last, all, or numbers such as [2, 4]; their vectors are concatenated.

    >>> XaresExport(layers="all").layers
    'all'
    """

    layers: Layers = "last"

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the file; its class is named as the file, in capitals, and ends in Encoder.

        Raises:
            ConfigError: if the path is no name of a module, or the model does not suit HEAR's interface.
        """
        require_module_path(output, "my_encoder.py")
        hear = HearModel(source.embedder, self.layers)
        words = "".join(word.capitalize() for word in output.stem.split("_"))
        text = MODULE.format(
            name=source.embedder.name,
            version=__version__,
            stem=words if words.endswith("Encoder") else f"{words}Encoder",
            sample_rate=hear.sample_rate,
            dim=hear.timestamp_embedding_size,
            hop=hear.hop * 1000 / hear.sample_rate,
            layers="the final output" if self.layers == "last" else f"layers {self.layers}, side by side",
            model=source.kept(output.with_name(f"{output.stem}_model")),
            options=self.layers,
        )
        with whole_file(output) as partial:
            partial.write_text(text, encoding="utf-8")
        return output
