"""Connectivity without series: a matrix over regions, kept as a recording whose samples are its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from audiossl.errors import DataError
from audiossl.signals.sensors.recording import SensorRecording

CONTENTS, MATRIX = "contents", "matrix"


def connectivity_matrix(
    id_: str,
    subject: str,
    matrix: Float[np.ndarray, "N N"],
    regions: Sequence[str],
    about: Mapping[str, str | float] | None = None,
) -> SensorRecording:
    """Make a recording of a connectivity matrix; there is nothing dynamic in it, so that only fixed baselines can read it.

    Raises:
        DataError: if it is not a symmetric, finite matrix over the regions; the message names it.

    >>> connectivity_matrix("rest_1", "anna", np.eye(2), ["a", "b"]).values.shape
    (2, 2)
    """
    if matrix.shape != (len(regions), len(regions)):
        raise DataError(f"{id_}: expected {len(regions)} x {len(regions)} regions, got {matrix.shape}")
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, atol=1e-6 * max(1.0, float(np.abs(matrix).max()))):
        raise DataError(f"{id_}: expected a finite, symmetric matrix")
    about = {**(about or {}), CONTENTS: MATRIX}
    return SensorRecording(id_, subject, 1.0, tuple(regions), ("1",) * len(regions), matrix.astype(np.float32), custom=about)


def is_matrix(recording: SensorRecording) -> bool:
    """Whether a recording holds a matrix instead of series."""
    return recording.custom.get(CONTENTS) == MATRIX
