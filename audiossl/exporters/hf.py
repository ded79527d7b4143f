"""A model in the layout of published SPEAR repositories on the Hugging Face hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from audiossl.errors import ConfigError
from audiossl.exporters.source import ModelSource, model_source
from audiossl.models import Zipformer, hub
from audiossl.models.encoder import Encoder


@dataclass(frozen=True)
class HuggingFaceExport:
    """The `config.json` and `model.safetensors` of a Zipformer, as published SPEAR repositories have them.

    >>> HuggingFaceExport()
    HuggingFaceExport()
    """

    def write(self, source: ModelSource, output: Path) -> Path:
        """Write the folder.

        Raises:
            ConfigError: if the model is of another kind, or the folder holds other files.
        """
        encoder, name = source.embedder.encoder, source.embedder.name
        if not isinstance(encoder, Zipformer):
            raise ConfigError(
                f"expected a Zipformer, '{name}' is a {type(encoder).__name__}: it has no layout of published SPEAR models"
            )
        if output.exists() and any(item.name not in (hub.CONFIG, hub.WEIGHTS) for item in output.iterdir()):
            raise ConfigError(f"{output} holds other files: choose another --out")
        hub.save(encoder, output)
        return output


def export_hf(model: str | Path | Encoder | nn.Module, folder: Path) -> Path:
    """Write a Zipformer as published SPEAR models are; see `HuggingFaceExport`."""
    return HuggingFaceExport().write(model_source(model), folder)
