"""An encoder as a scikit-learn transformer: recordings in, one vector each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.embedding.sources import Signal
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

    def fit(self, X: Sequence[Signal], y: Any = None) -> AudioEmbedder:
        """Learn nothing; there is nothing to fit in a frozen encoder."""
        return self

    def transform(self, X: Sequence[Signal]) -> Float[np.ndarray, "N D"]:
        """Embed paths or arrays (S,); the mean over time of each.

        Raises:
            DataError: if a recording cannot be used; the message names it.
            ConfigError: if the model or a layer does not exist.
        """
        if self._embedder is None or self._embedder.name != str(self.model):
            self._embedder = load(self.model)
        embeddings = self._embedder.to(self.device).embed(list(X), self.sample_rate, self.layers)
        return torch.stack([embedding.pooled.flatten() for embedding in embeddings]).numpy()

    def __sklearn_is_fitted__(self) -> bool:
        return True
