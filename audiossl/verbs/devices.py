"""An encoder on the device that a verb was given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audiossl.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from audiossl.embedding.embedder import Embedder
    from audiossl.models.encoder import Encoder


def load_on(model: str | Path | Encoder | nn.Module, device: str, *, trust_code: bool = False) -> Embedder:
    """Load an encoder and move it; `trust_code` is that of `audiossl.load`.

    Raises:
        ConfigError: if the device cannot be used.
    """
    from audiossl.load import load

    embedder = load(model, trust_code=trust_code)
    try:
        return embedder.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"cannot use --device {device}: {str(error).splitlines()[0]}") from error
