"""What all estimators on arrays share: scikit-learn's manners, features in blocks, and files without pickle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Float32
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from audiossl.errors import ConfigError, StoreError
from audiossl.estimators.arrays import ArrayError, Arrays, Groups, as_groups, as_windows
from audiossl.estimators.catalogue import ESTIMATORS
from audiossl.estimators.estimator_files import read_estimator, write_estimator
from audiossl.kinds import find_kind

Own = TypeVar("Own", bound="ArrayTransformer")


@dataclass(eq=False, repr=False, kw_only=True)
class ArrayTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of transformers of arrays (N, C, T) into one vector a row, in the manner of scikit-learn.

    A subclass is a dataclass whose fields are its parameters, so that nothing else is set when it is made. It defines
    `_fit_network`, which gives a module from windows (B, C, T) to vectors (B, D), and `_make_network`, the same module untrained.

    Attributes:
        block_size: class attribute, rows that are transformed at once.
        one_length: class attribute, whether windows must be as long as those of `fit`.
        min_rows: class attribute, fewest rows to fit.
        n_features_in_: channels C of `fit`.
        n_timepoints_in_: samples T of `fit`.
        network_: module from windows to vectors.

    >>> from audiossl.estimators import WindowStatistics
    >>> issubclass(WindowStatistics, ArrayTransformer)
    True
    """

    block_size: ClassVar[int] = 512
    one_length: ClassVar[bool] = False
    min_rows: ClassVar[int] = 1

    def fit(self: Own, X: Arrays, y: object = None, groups: Groups = None) -> Own:
        """Learn from windows; labels are not used.

        Args:
            X: (N, C, T), finite.
            y: ignored.
            groups: N names or numbers: whom, or which recording, each window is of. Objectives draw batches from few of them.

        Raises:
            ArrayError: if X is no such array, windows are too short or too few, or there is not a group for each.
            ConfigError: if a parameter has a value that it does not take.
        """
        values = as_windows(X)
        self._check_length(values.shape[2])
        if len(values) < self.min_rows:
            raise ArrayError(f"expected at least {self.min_rows} windows to fit {type(self).__name__}, got {len(values)}")
        network = self._fit_network(values, as_groups(groups, len(values))).eval().requires_grad_(False)
        self.n_features_in_, self.n_timepoints_in_ = values.shape[1:]
        self.network_ = network
        self._n_features_out = int(self._vectors(values[:1]).shape[1])
        return self

    def transform(self, X: Arrays) -> Float[np.ndarray, "N D"]:
        """Represent every window by a vector, whatever other windows there are.

        Args:
            X: (N, C, T), finite, with as many channels as in `fit`.

        Raises:
            NotFittedError: before `fit`.
            ArrayError: if X is no such array, or windows are too short.
        """
        check_is_fitted(self)
        num_samples = self.n_timepoints_in_ if self.one_length else None
        values = as_windows(X, num_channels=self.n_features_in_, num_samples=num_samples)
        self._check_length(values.shape[2])
        return self._vectors(values)

    def save(self, path: str | Path) -> Path:
        """Write parameters and weights as JSON and safetensors into a folder, by rename.

        Raises:
            NotFittedError: before `fit`.
            StoreError: if the folder holds something else.
            ConfigError: if it cannot be written, or a parameter is no plain value.
        """
        check_is_fitted(self)
        shape = {name: int(getattr(self, name)) for name in ("n_features_in_", "n_timepoints_in_", "_n_features_out")}
        return write_estimator(Path(path), type(self).__name__, self.get_params(deep=False), shape, self.network_.state_dict())

    @classmethod
    def load(cls: type[Own], path: str | Path) -> Own:
        """Read an estimator that `save` wrote; `ArrayTransformer.load` reads one of any class of this room.

        Raises:
            StoreError: if there is none, it is damaged, or it is of another class.
        """
        path = Path(path)
        found, state = read_estimator(path)
        about = cast(dict[str, Any], found)  # of a JSON file
        name = about["estimator"]
        if name not in ESTIMATORS:  # a file may not choose what is imported
            raise StoreError(f"{path} holds a {name}, which is no estimator of audiossl: {', '.join(ESTIMATORS)}")
        kind = find_kind(name, ESTIMATORS, "estimator")
        if not issubclass(kind, cls):
            raise StoreError(f"{path} holds a {name}, not a {cls.__name__}: load it by {name}.load")
        try:
            estimator = kind(**about["params"])
            for key, value in about["shape"].items():
                setattr(estimator, key, value)
            estimator.network_ = estimator._network_of(state).eval().requires_grad_(False)
        except (TypeError, ValueError, KeyError, RuntimeError, ConfigError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise StoreError(f"{path} holds no {name} that can be read ({reason}). Fit and save it again.") from error
        return estimator

    def _fit_network(self, values: Float32[np.ndarray, "N C T"], groups: list[str] | None) -> nn.Module:
        """Learn from windows, and give the module that represents them."""
        raise NotImplementedError

    def _make_network(self) -> nn.Module:
        """The module that represents windows, before its weights are loaded; the channels are known."""
        raise NotImplementedError

    def _network_of(self, state: dict[str, Tensor]) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            network = self._make_network()
        network.load_state_dict(state)
        return network

    def _shortest(self) -> int:
        """Samples that a window needs."""
        return 2

    def _check_length(self, num_samples: int) -> None:
        if num_samples < self._shortest():
            raise ArrayError(f"expected windows of at least {self._shortest()} samples for {self!r}, got {num_samples}")

    @torch.no_grad()
    def _vectors(self, values: Float32[np.ndarray, "N C T"]) -> Float32[np.ndarray, "N D"]:
        blocks = torch.from_numpy(values).split(self.block_size)
        return torch.cat([self.network_(block).float() for block in blocks]).numpy()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array, tags.input_tags.two_d_array = True, False
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
