"""A model in the layout of published SPEAR repositories on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from audiossl.errors import ConfigError
from audiossl.load import load
from audiossl.models import Zipformer, hub


def export_hf(name: str, folder: Path) -> Path:
    """Write the `config.json` and `model.safetensors` of a Zipformer in the layout of published SPEAR repositories.

    Raises:
        ConfigError: if the model is of another kind.
    """
    encoder = load(name).encoder
    if not isinstance(encoder, Zipformer):
        raise ConfigError(
            f"expected a Zipformer, '{name}' is a {type(encoder).__name__}: it has no layout of published SPEAR models"
        )
    if folder.exists() and any(item.name not in (hub.CONFIG, hub.WEIGHTS) for item in folder.iterdir()):
        raise ConfigError(f"{folder} holds other files: choose another --out")
    hub.save(encoder, folder)
    return folder
