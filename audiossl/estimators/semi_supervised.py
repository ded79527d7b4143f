"""A classifier of arrays (N, C, T) that learns from few labels and from windows without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from audiossl.errors import ConfigError
from audiossl.estimators.array_transformer import ArrayTransformer
from audiossl.estimators.arrays import ArrayError, Arrays, Groups, Seed, as_windows, seed_of
from audiossl.estimators.window_statistics import WindowStatistics
from audiossl.evaluation.probes import standardisation
from audiossl.models.frozen_frames import FrozenFrames
from audiossl.objectives.kinds import SEMI_OBJECTIVES, find_objective, read_config
from audiossl.objectives.semi_objective import SemiObjective
from audiossl.objectives.window_batch import WindowBatch
from audiossl.options import read_options
from audiossl.pipelines.semi.batches import SemiBatches
from audiossl.pipelines.semi.config import PairConfig
from audiossl.pipelines.semi.views import FeatureViews, ViewConfig, changed, weakened
from audiossl.seeds import derive_seed
from audiossl.training.config import TrainingConfig
from audiossl.training.fit import fit

UNLABELLED = -1


@dataclass(eq=False, repr=False, kw_only=True)
class SemiSupervised(ClassifierMixin, BaseEstimator):
    """Classify windows from labels of a few of them, by a semi-supervised method on frozen features.

    `y` is -1 where a window has no label, as in scikit-learn. Windows are represented by a transformer of this room in weak and
    strong views, once; then a head is trained on the views. Views, batches and losses are those of `method: semi`.

    Attributes:
        method: name of `audiossl.objectives.SEMI_OBJECTIVES`, or `my_module:MyClass`.
        transformer: any estimator of this room that represents windows, which is fitted to all windows unless it is fitted
            already; None takes hand-made statistics.
        options: options of the method, such as `{"threshold": 0.9}`.
        views: fields of the views, such as `{"strong": [["rotate", "noise"]], "changes": {"axes": [0]}}`.
        steps: steps of the optimiser.
        lr, weight_decay: learning rate and weight decay of AdamW.
        labelled, unlabelled: windows of a batch; all where there are fewer.
        random_state: seed of everything random. None draws one from NumPy's global state.
        classes_: classes of `fit`, sorted.
        n_features_in_, n_timepoints_in_: channels and samples of `fit`.

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X = (1 + 4 * y[:, None, None]) * rng.standard_normal((40, 2, 64))
    >>> few = np.where(np.arange(40) < 6, y, -1)
    >>> SemiSupervised(method="fixmatch", steps=30).fit(X, few).score(X, y) > 0.9
    True
    """

    method: str = "fixmatch"
    transformer: ArrayTransformer | None = None
    options: Mapping[str, object] | None = None
    views: Mapping[str, object] | None = None
    steps: int = 300
    lr: float | int = 3e-3
    weight_decay: float | int = 1e-3
    labelled: int = 32
    unlabelled: int = 128
    random_state: Seed = 1

    def fit(self, X: Arrays, y: Iterable[object], groups: Groups = None) -> SemiSupervised:
        """Learn from windows, of which some have a label.

        Args:
            X: (N, C, T), finite.
            y: N classes, -1 for a window without a label.
            groups: N names that the transformer takes in its `fit`.

        Raises:
            ArrayError: if X is no such array, there is not a label for each window, or fewer than two classes are labelled.
            ConfigError: if a parameter has a value that it does not take.
        """
        values, seed, name = as_windows(X), seed_of(self.random_state), type(self).__name__
        classes, numbers = _classes_of(y, len(values))
        kind = find_objective(self.method, SEMI_OBJECTIVES)
        if not issubclass(kind, SemiObjective):
            raise ConfigError(f"{name}.method: {self.method} does not learn from few labels")
        options = read_config(kind.Config, self.options or {}, f"{name}.options")
        views = read_options(ViewConfig, self.views or {}, f"{name}.views")
        pairs = read_options(PairConfig, {"labelled": self.labelled, "unlabelled": self.unlabelled}, name)
        training = read_options(TrainingConfig, self._training(seed), name)
        transformer = self._fitted(values, groups)
        features = _encode_views(values, transformer, views)
        known = torch.from_numpy(np.flatnonzero(numbers >= 0))
        about = WindowBatch.of(features[0])
        with torch.random.fork_rng(devices=[]), TemporaryDirectory(prefix="audiossl-") as folder:
            torch.manual_seed(derive_seed(seed, "head"))
            encoder = FrozenFrames(*standardisation(features[0, :, :, 0]))
            objective = kind(encoder, len(classes), options)
            source = FeatureViews(features, about, views, pairs.strong)
            targets = torch.from_numpy(numbers)[:, None]
            batches = SemiBatches(source, targets, known, torch.arange(len(values)), config=pairs, seed=seed)
            fit(objective, batches, training, Path(folder), quiet=True)
        self.classes_, self.transformer_ = classes, transformer
        self.n_features_in_, self.n_timepoints_in_ = values.shape[1:]
        self.objective_ = objective.eval().cpu().requires_grad_(False)
        return self

    def predict_proba(self, X: Arrays) -> Float[np.ndarray, "N K"]:
        """Probabilities of the classes, in the order of `classes_`.

        Raises:
            NotFittedError: before `fit`.
            ArrayError: if X is no array (N, C, T) with as many channels as in `fit`.
        """
        check_is_fitted(self)
        values = as_windows(X, num_channels=self.n_features_in_)
        features = torch.from_numpy(self.transformer_.transform(values))
        return self.objective_.answer(WindowBatch.of(features[..., None]))[:, 0].exp().numpy()

    def predict(self, X: Arrays) -> np.ndarray:
        """The most probable class of every window.

        Raises:
            NotFittedError: before `fit`.
            ArrayError: if X is no array (N, C, T) with as many channels as in `fit`.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]

    def _fitted(self, values: Float32[np.ndarray, "N C T"], groups: Groups) -> ArrayTransformer:
        """The transformer, fitted to all windows unless it is fitted already."""
        given = WindowStatistics() if self.transformer is None else self.transformer
        if not isinstance(given, ArrayTransformer):
            raise ConfigError(f"SemiSupervised.transformer: expected an estimator of audiossl.estimators, got {given!r}")
        return given if hasattr(given, "network_") else clone(given).fit(values, groups=groups)

    def _training(self, seed: int) -> dict[str, object]:
        return {
            "optimiser": "adamw", "lr": self.lr, "weight_decay": self.weight_decay, "schedule": "cosine",
            "warmup_steps": min(10, self.steps // 10), "max_steps": self.steps, "validate_every": 0, "checkpoint_every": 0,
            "tensorboard": False, "precision": "float32", "device": "cpu", "seed": seed,
        }  # fmt: skip

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array, tags.input_tags.two_d_array = True, False
        return tags


def _encode_views(
    values: Float32[np.ndarray, "N C T"], transformer: ArrayTransformer, config: ViewConfig
) -> Float[torch.Tensor, "V N D 1"]:
    """Features of the windows themselves, of weak views and of a strong one for each chain."""
    windows = WindowBatch.of(torch.from_numpy(values))
    scale = windows.signal.std((0, 2)).clamp(min=1e-12)[:, None]  # views are changes of normalised windows
    mean = windows.signal.mean((0, 2))[:, None]
    normal = replace(windows, signal=(windows.signal - mean) / scale)
    views = [normal.signal]
    views += [weakened(normal, (0, number, "weak"), config).signal for number in range(config.weak)]
    views += [changed(normal, chain, (0, number), config).signal for number, chain in enumerate(config.strong)]
    found = [torch.from_numpy(transformer.transform((view * scale + mean).numpy())) for view in views]
    return torch.stack(found)[..., None]


def _classes_of(y: Iterable[object], count: int) -> tuple[np.ndarray, Int[np.ndarray, "N"]]:
    """The classes, sorted, and the number of each window's; -1 for those without a label."""
    given = y if isinstance(y, np.ndarray) else list(y)
    labels = np.asarray(given)
    if labels.dtype.kind in "US" and not isinstance(y, np.ndarray):  # names with -1 among them
        labels = np.asarray(given, dtype=object)
    if labels.shape != (count,):
        raise ArrayError(f"expected a label for each of {count} windows, -1 for none, got labels of shape {labels.shape}")
    known = np.array([label != UNLABELLED and label is not None and label == label for label in labels])
    classes = np.unique(labels[known]) if known.any() else labels[:0]
    if len(classes) < 2:
        raise ArrayError(f"expected labelled windows of at least 2 classes, got {len(classes)}: y is -1 where there is no label")
    numbers = np.full(count, UNLABELLED, dtype=np.int64)
    numbers[known] = np.searchsorted(classes, labels[known])
    return classes, numbers
