"""An encoder as a scikit-learn transformer: recordings in, one vector each out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.embedding.sources import Signal
from audiossl.errors import DataError
from audiossl.load import load


class AudioEmbedder(TransformerMixin, BaseEstimator):
    """Turn recordings into vectors in a scikit-learn pipeline.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> classifier = make_pipeline(AudioEmbedder("logmel"), LogisticRegression())

    Args:
        model: name of an encoder, as `audiossl.load` takes it; it is loaded at the first use.
        layers: "last" for the final output, "all" or a list of layer numbers, whose means over time are laid side by side.
        sample_rate: Hz of arrays; None means that of the model. Files know their own.
        device: cpu, cuda, cuda:1, mps.
    """

    _embedder: Embedder | None = None  # loaded, under the name that `model` had then

    def __init__(
        self, model: str = "logmel", layers: Layers = "last", sample_rate: float | int | None = None, device: str = "cpu"
    ) -> None:
        self.model = model
        self.layers: Layers = layers
        self.sample_rate = sample_rate
        self.device = device

    def fit(self, X: Sequence[Signal] | Signal, y: Any = None) -> AudioEmbedder:
        """Learn nothing; there is nothing to fit in a frozen encoder."""
        return self

    def transform(self, X: Sequence[Signal] | Signal) -> Float[np.ndarray, "N D"]:
        """Embed paths or arrays; the mean over time of each.

        Args:
            X: paths; arrays (S,), or (C, S), whose channels are averaged for models of audio. Windows of sensors may come as one
                array (N, C, S).

        Raises:
            DataError: if a recording is not what the model takes; the message names it and the model.
            ConfigError: if the model or a layer does not exist.
        """
        embedder = self._embedder
        if embedder is None or embedder.name != str(self.model):
            embedder = self._embedder = load(self.model)
        if isinstance(X, str | Path):
            raise DataError(f"expected a list of recordings, got the text or path {X}: put it in a list")
        if len(X) == 0:
            raise DataError("expected at least one recording, got none")
        takes, shape = embedder.takes, tuple(getattr(X, "shape", ()))
        if takes.is_audio and len(shape) > 2:
            raise DataError(
                f"{self.model} takes {takes}, and an array {shape} is none: give (N, samples) or a list of (channels, samples)"
            )
        embeddings = embedder.to(self.device).embed([*X], self.sample_rate, self.layers)
        return torch.stack([embedding.pooled.flatten() for embedding in embeddings]).numpy()

    def __sklearn_is_fitted__(self) -> bool:
        return True
