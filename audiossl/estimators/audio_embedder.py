"""An encoder of audio as a scikit-learn transformer: recordings in, one vector each out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin

from audiossl.embedding.embedder import Embedder, Layers
from audiossl.embedding.sources import Signal
from audiossl.errors import DataError
from audiossl.load import load
from audiossl.models.sensor_encoder import SensorEncoder


class AudioEmbedder(TransformerMixin, BaseEstimator):
    """Turn recordings of audio into vectors in a scikit-learn pipeline.

    Arrays (N, C, T) of sensors or BOLD have estimators of their own, such as `FrameProjection` and `ConnectivityMAE`.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> classifier = make_pipeline(AudioEmbedder("logmel"), LogisticRegression())

    Args:
        model: name of an encoder, as `audiossl.load` takes it; it is loaded at the first use.
        layers: "last" for the final output, "all" or a list of layer numbers; their means over time are concatenated.
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

    def fit(self, X: Sequence[Signal] | Signal, y: object = None) -> AudioEmbedder:
        """Learn nothing; there is nothing to fit in a frozen encoder."""
        return self

    def transform(self, X: Sequence[Signal] | Signal) -> Float[np.ndarray, "N D"]:
        """Embed paths or arrays; the mean over time of each.

        Args:
            X: paths; arrays (S,), or (C, S) with channels that are averaged.

        Raises:
            DataError: if the model takes no audio, or a recording is not what it takes; the message names both.
            ConfigError: if the model or a layer does not exist.
        """
        embedder = self._embedder
        if embedder is None or embedder.name != str(self.model):
            embedder = self._embedder = load(self.model)
        if isinstance(X, str | Path):
            raise DataError(f"expected a list of recordings, got the text or path {X}: put it in a list")
        if len(X) == 0:
            raise DataError("expected at least one recording, got none")
        self._check(embedder, tuple(getattr(X, "shape", ())))
        embeddings = embedder.to(self.device).embed([*X], self.sample_rate, self.layers)
        return torch.stack([embedding.pooled.flatten() for embedding in embeddings]).numpy()

    def _check(self, embedder: Embedder, shape: tuple[int, ...]) -> None:
        """Refuse models of other signals than audio, and arrays that are none."""
        takes = embedder.takes
        if takes.is_audio and len(shape) > 2:
            raise DataError(
                f"{self.model} takes {takes}, and an array {shape} is none: give (N, samples) or a list of (channels, samples). "
                f"For windows of sensors, (N, channels, samples), there are audiossl.estimators.FrameProjection and others"
            )
        if takes.is_audio:
            return
        said = f"AudioEmbedder is for models of audio, and {self.model} takes {takes}"
        if not isinstance(embedder.encoder, SensorEncoder):
            raise DataError(f"{said}: use audiossl.load({self.model!r}).embed(list_of_arrays)")
        # Version 0.1 took windows for sensor encoders; they are refused from the next version on.
        warnings.warn(f"{said}; use audiossl.load({self.model!r}).embed(X)", DeprecationWarning, stacklevel=3)

    def __sklearn_is_fitted__(self) -> bool:
        return True
