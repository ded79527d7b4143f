"""Arrays (N, C, T) as estimators take them, and whom their rows are of."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from sklearn.utils import check_random_state
from torch import Tensor

from audiossl.errors import ConfigError, DataError

Arrays: TypeAlias = np.ndarray | Tensor | Sequence[object]
Groups: TypeAlias = Iterable[object] | None
Seed: TypeAlias = int | np.integer | np.random.RandomState | None


class ArrayError(DataError, ValueError):
    """An array that an estimator does not take; a `ValueError` too, as scikit-learn expects."""


def as_windows(X: Arrays, *, num_channels: int | None = None, num_samples: int | None = None) -> Float32[np.ndarray, "N C T"]:
    """Check an array of windows and return it in float32.

    Args:
        X: numbers (N, C, T), finite: a NumPy array, a tensor, or lists.
        num_channels: C that is expected; None takes any.
        num_samples: T that is expected; None takes any.

    Raises:
        ArrayError: for another shape, another number of channels or samples, no rows, or values that are no finite numbers.

    >>> as_windows([[[1, 2, 3]]]).shape
    (1, 1, 3)
    """
    values = _as_array(X)
    if values.ndim != 3:
        hint = "; one channel is X[:, None]" if values.ndim == 2 else ""
        raise ArrayError(f"expected an array (N windows, C channels, T samples), got one of shape {values.shape}{hint}")
    if 0 in values.shape:
        raise ArrayError(f"expected at least one window, channel and sample, got an array of shape {values.shape}")
    if num_channels is not None and values.shape[1] != num_channels:
        raise ArrayError(f"expected {num_channels} channels as in fit, got {values.shape[1]}: X is (N, C, T)")
    if num_samples is not None and values.shape[2] != num_samples:
        raise ArrayError(f"expected windows of {num_samples} samples as in fit, got {values.shape[2]}")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, which is refused
        values = np.ascontiguousarray(values, np.float32)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
    if len(bad):
        raise ArrayError(
            f"expected finite numbers, got NaN or infinity in {len(bad)} of {len(values)} windows, the first in row "
            f"{bad[0]}: fill the gaps, or leave these windows out"
        )
    return values


def as_groups(groups: Groups, count: int) -> list[str] | None:
    """Check what says whom each row is of, and return names.

    Raises:
        ArrayError: if there are not as many as rows, or one is missing.

    >>> as_groups([1, 1, 2], 3)
    ['1', '1', '2']
    """
    if groups is None:
        return None
    found = list(groups)
    if len(found) != count:
        raise ArrayError(f"expected a group for each of {count} windows, got {len(found)}")
    for row, group in enumerate(found):
        if group is None or group != group or not str(group).strip():
            raise ArrayError(f"expected a group for every window, such as the name of a person, got {group!r} in row {row}")
    return [str(group.item() if isinstance(group, Tensor) else group).strip() for group in found]


def seed_of(random_state: object) -> int:
    """The seed that a `random_state` stands for: a whole number itself, otherwise one that NumPy's generator draws.

    Raises:
        ConfigError: if it is something else.
    """
    if random_state is None or isinstance(random_state, np.random.RandomState):
        return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    try:
        return operator.index(random_state)  # pyright: ignore[reportArgumentType]  # what is none raises
    except TypeError as error:
        raise ConfigError(f"random_state: expected a whole number or None, got {random_state!r}") from error


def _as_array(X: Arrays) -> np.ndarray:
    if isinstance(X, Tensor):
        return X.detach().cpu().numpy()
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.float64), np.nan)
    try:
        values = np.asarray(X)
    except ValueError as error:
        raise ArrayError(f"expected an array (N, C, T) of windows of one length, got rows of several ({error})") from error
    if values.dtype.kind not in "fiub":
        raise ArrayError(f"expected an array of real numbers (N, C, T), got one of {values.dtype}")
    return values
