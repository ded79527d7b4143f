"""The module that HEAR's kits import (HEAR 2021, arXiv 2203.03022)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from audiossl.embedding.embedder import Layers
from audiossl.errors import ConfigError
from audiossl.evaluation.hear.model import (
    SAMPLE_RATES,
    HearModel,
    Pooling,
    get_scene_embeddings,
    get_timestamp_embeddings,
)
from audiossl.exporters.source import ModelSource, model_source
from audiossl.files import whole_file
from audiossl.models.encoder import Encoder
from audiossl.version import __version__

__all__ = [
    "SAMPLE_RATES",
    "HearExport",
    "HearModel",
    "export_hear",
    "get_scene_embeddings",
    "get_timestamp_embeddings",
]

MODULE = '''"""HEAR 2021 module of {name}, written by audiossl {version}, which it needs.

Takes mono audio at {sample_rate} Hz. Timestamp embeddings: {layers}, one every {hop:g} ms.
Scene embeddings: their {pooling} over time.
"""

from __future__ import annotations

from audiossl.exporters.hear import HearModel, get_scene_embeddings, get_timestamp_embeddings

__all__ = ["get_scene_embeddings", "get_timestamp_embeddings", "load_model"]

MODEL = {model!r}
OPTIONS = {options!r}


def load_model(model_file_path: str = "", **options: object) -> HearModel:
    """Load the model, or that of another checkpoint; options `layers` and `pooling` replace those of this file."""
    return HearModel.from_name(model_file_path or MODEL, **(OPTIONS | options))
'''


@dataclass(frozen=True)
class HearExport:
    """One module that HEAR's validator and evaluation kit import by its name.

    The checkpoint is not copied: the module holds where it is, and the kits' `--model` replaces it. An object in memory is saved
    to `NAME_model` next to the module.

    Attributes:
        layers: last, all, or numbers such as [2, 4]; their vectors are concatenated.
        pooling: pooling of scene embeddings over time, mean or mean+max.

    >>> HearExport(layers=[2, 4], pooling="mean+max").pooling
    'mean+max'
    """

    layers: Layers = "last"
    pooling: Pooling = "mean"

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the module.

        Raises:
            ConfigError: if the path is no name of a module, or the model does not suit HEAR.
        """
        require_module_path(output, "my_embed.py")
        model = HearModel(source.embedder, self.layers, self.pooling)
        text = MODULE.format(
            name=source.embedder.name,
            version=__version__,
            sample_rate=model.sample_rate,
            layers="the final output" if self.layers == "last" else f"layers {self.layers}, side by side",
            hop=model.hop * 1000 / model.sample_rate,
            pooling=self.pooling.replace("+", " and "),
            model=source.kept(output.with_name(f"{output.stem}_model")),
            options={"layers": self.layers, "pooling": self.pooling},
        )
        with whole_file(output) as partial:
            partial.write_text(text, encoding="utf-8")
        return output


def export_hear(model: str | Path | Encoder | nn.Module, path: Path, layers: Layers = "last", pooling: Pooling = "mean") -> Path:
    """Write one module that HEAR's kits import; see `HearExport`."""
    require_module_path(path, "my_embed.py")
    return HearExport(layers, pooling).write(model_source(model), path)


def require_module_path(path: Path, example: str) -> None:
    """Refuse a file that Python cannot import.

    Raises:
        ConfigError: with an example of a name.
    """
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ConfigError(f"expected a file that Python can import, such as {example}, got {path.name}")
