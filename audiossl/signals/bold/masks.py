"""Which volumes are kept: masks and repetition times as people give them, checked before anything is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
from jaxtyping import Bool, Shaped

from audiossl.errors import DataError

Mask = Shaped[np.ndarray, "..."] | Sequence[bool | int | float]


def as_mask(kept: Mask, num_volumes: int, name: str) -> Bool[np.ndarray, "T"]:
    """Make a mask of volumes of truth values, or of 1 for kept and 0 for left out.

    Args:
        kept: one value for each volume.
        num_volumes: T.
        name: name of the run, for messages.

    Raises:
        DataError: if there is anything else in it, such as NaN or numbers of volumes, it has another length, or keeps nothing.
    """
    values = np.asarray(kept)
    if values.shape != (num_volumes,):
        raise DataError(
            f"{name}: expected a mask of {num_volumes} volumes, got {' x '.join(map(str, values.shape)) or 'one value'}"
        )
    if values.dtype != bool:
        is_code = values.dtype.kind in "iuf" and bool(np.isin(values, (0, 1)).all())
        if not is_code:
            odd = next((value for value in values.tolist() if value not in (0, 1)), values.dtype)
            raise DataError(
                f"{name}: expected a mask of True (kept) and False for each volume, or of 1 and 0, got {odd!r}. "
                "Numbers of volumes are no mask"
            )
        values = values.astype(bool)
    if not values.any():
        raise DataError(f"{name}: expected a mask of {num_volumes} volumes that keeps some, got one that keeps none")
    return values


def mask_of_volumes(volumes: Mask, num_volumes: int, name: str) -> Bool[np.ndarray, "T"]:
    """Make a mask of the numbers of the volumes that are kept, from 0 on, as nilearn's `sample_mask` has them, or of such a mask.

    Raises:
        DataError: if it is neither numbers of volumes, each once, nor truth values of all.
    """
    values = np.asarray(volumes)
    if values.dtype == bool:
        return as_mask(values, num_volumes, name)
    is_numbers = values.ndim == 1 and values.dtype.kind in "iu" and len(values) > 0
    if not is_numbers or values.min() < 0 or values.max() >= num_volumes or len(set(values.tolist())) < len(values):
        raise DataError(
            f"{name}: expected sample_mask to hold the numbers of the kept volumes, 0 to {num_volumes - 1}, each once, or "
            f"True and False for each, got {values.shape} of {values.dtype}, such as {values.reshape(-1)[:4].tolist()}"
        )
    mask = np.zeros(num_volumes, bool)
    mask[values] = True
    return mask


def as_repetition_time(tr: object, name: str) -> float:
    """Check a repetition time, seconds from volume to volume.

    Raises:
        DataError: if it is no number, or not above 0 and below 60; the message begins with `name`.
    """
    seconds = float(tr) if isinstance(tr, Real) and not isinstance(tr, bool | np.bool_) else float("nan")
    if not 0 < seconds < 60:
        raise DataError(f"{name}: expected a repetition time in seconds, above 0 and below 60, got {tr!r}")
    return seconds
