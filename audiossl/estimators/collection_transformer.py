"""Estimators of this room as transformers of aeon's collections."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Num
from sklearn.base import clone

from audiossl.errors import import_extra
from audiossl.estimators.array_transformer import ArrayTransformer
from audiossl.estimators.window_statistics import WindowStatistics

import_extra("aeon.transformations.collection", "sensors")  # its message says how to install it
from aeon.transformations.collection import BaseCollectionTransformer  # noqa: E402


class CollectionTransformer(BaseCollectionTransformer):
    """An estimator of this room as an aeon `BaseCollectionTransformer`, for aeon's pipelines, classifiers and benchmarks.

    It needs `audiossl[sensors]`, so that it is no name of the room itself: import it from
    `audiossl.estimators.collection_transformer`, and then `CollectionTransformer(SimCLR(steps=100)).fit(X)`. aeon's `fit` has no
    groups.

    Args:
        transformer: any estimator on arrays, such as `SimCLR()`; a copy of it is fitted. None takes `WindowStatistics()`.
    """

    _tags: ClassVar[dict[str, object]] = {
        "X_inner_type": "numpy3D",
        "output_data_type": "Tabular",
        "capability:multivariate": True,
    }

    def __init__(self, transformer: ArrayTransformer | None = None) -> None:
        self.transformer = transformer
        super().__init__()

    def _fit(self, X: Num[np.ndarray, "N C T"], y: object = None) -> None:
        estimator = WindowStatistics() if self.transformer is None else self.transformer
        copied = clone(estimator)
        assert isinstance(copied, ArrayTransformer)  # as what it is a copy of
        self.transformer_ = copied.fit(X)

    def _transform(  # pyright: ignore[reportIncompatibleMethodOverride]  # aeon's own returns None by annotation only
        self, X: Num[np.ndarray, "N C T"], y: object = None
    ) -> Float[np.ndarray, "N D"]:
        return self.transformer_.transform(X)

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> dict[str, object]:
        from audiossl.estimators.two_views import SimCLR

        return {"transformer": SimCLR(steps=2, batch_size=4, dim=8, width=4, num_blocks=2)}
