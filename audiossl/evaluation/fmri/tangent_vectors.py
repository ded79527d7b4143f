"""The tangent space as a step of a scikit-learn pipeline, so that its reference is fitted inside folds."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin

from audiossl.features.connectivity import TangentSpace, vectorise


class TangentVectors(TransformerMixin, BaseEstimator):
    """Turns flattened covariances (n, N * N) into vectors of the tangent space at the mean of those it was fitted to."""

    def fit(self, features: Float[np.ndarray, "R E"], labels: object = None) -> TangentVectors:
        """Find the reference."""
        self.space_ = TangentSpace().fit(_matrices(features))
        return self

    def transform(self, features: Float[np.ndarray, "R E"]) -> Float[np.ndarray, "R F"]:
        """Map covariances; their diagonal, the regions' own variance, is left out."""
        return vectorise(self.space_.transform(_matrices(features))).numpy()


def _matrices(features: Float[np.ndarray, "R E"]) -> torch.Tensor:
    size = math.isqrt(features.shape[1])
    return torch.from_numpy(np.ascontiguousarray(features)).reshape(-1, size, size)
